// node embed.mjs DIST OUT.cpp: the built page as C++ (src/server/web_assets.h says what it is).
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { constants, gzipSync } from 'node:zlib';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.webmanifest': 'application/manifest+json', '.txt': 'text/plain; charset=utf-8',
};

const [dist, out] = process.argv.slice(2);
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(dist, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
  .sort((a, b) => (Buffer.from(a) < Buffer.from(b) ? -1 : 1));

// A string literal, 64 bytes a line: compiles in a blink, where an array of numbers takes long.
function literal(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 64) {
    lines.push(`    "${Array.from(bytes.subarray(at, at + 64), (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}"`);
  }
  return lines.length > 0 ? lines.join('\n') : '    ""';
}

const bodies = [];
const rows = files.map((path, i) => {
  const type = TYPES[extname(path)];
  if (!type) throw new Error(`${path}: no media type is known for this ending; add it to web/embed.mjs`);
  const bytes = readFileSync(join(dist, path));
  const packed = gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION });
  // The header's time and system must not make two builds of one page differ.
  packed.fill(0, 4, 8);
  packed[9] = 255;
  const gzip = packed.length < bytes.length * 0.95 ? packed : Buffer.alloc(0);
  const etag = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  bodies.push(`constexpr char kBytes${i}[] =\n${literal(bytes)};\nconstexpr char kGzip${i}[] =\n${literal(gzip)};\n`);
  return `    {${JSON.stringify(path)}, ${JSON.stringify(type)}, {kBytes${i}, ${bytes.length}}, {kGzip${i}, ${gzip.length}},\n     ${JSON.stringify(`"${etag}"`)}, ${path.startsWith('assets/')}},`;
});

writeFileSync(out, `// Made by web/embed.mjs.
#include <array>

#include "server/web_assets.h"

namespace jiang {
namespace {

${bodies.join('\n')}
constexpr std::array<WebAsset, ${rows.length}> kAssets = {{
${rows.join('\n')}
}};

}  // namespace

std::span<const WebAsset> web_assets() { return kAssets; }

}  // namespace jiang
`);
