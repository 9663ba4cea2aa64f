#include "storage/migrations.h"

namespace jiang {
namespace {

// Times are ms since 1970. Order never depends on them, a clock may jump: `seq` counts up.
// A message's parent has no ON DELETE CASCADE: SQLite would recurse as deep as the chat is long.
constexpr const char* kMigrations[] = {
    R"sql(
CREATE TABLE shares (
  token    TEXT PRIMARY KEY,
  user_id  TEXT NOT NULL,
  kind     TEXT NOT NULL CHECK (kind IN ('agent', 'conversation')),
  item     TEXT NOT NULL,
  level    TEXT NOT NULL CHECK (level IN ('link', 'server')),
  created  BIGINT NOT NULL,
  UNIQUE (user_id, kind, item),
  FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE users (
  id       TEXT PRIMARY KEY,
  name     TEXT NOT NULL,
  role     TEXT NOT NULL CHECK (role IN ('owner', 'user', 'visitor')),
  share    TEXT REFERENCES shares (token) ON DELETE CASCADE,
  created  BIGINT NOT NULL,
  settings TEXT NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX users_by_name ON users (name) WHERE role <> 'visitor';
CREATE INDEX users_by_share ON users (share);
CREATE TABLE login_tokens (
  hash     TEXT PRIMARY KEY,
  user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  expires  BIGINT NOT NULL
);
CREATE INDEX login_tokens_by_user ON login_tokens (user_id);
CREATE TABLE sessions (
  hash     TEXT PRIMARY KEY,
  user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created  BIGINT NOT NULL,
  used     BIGINT NOT NULL,
  expires  BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE TABLE api_keys (
  id       TEXT PRIMARY KEY,
  user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name     TEXT NOT NULL,
  start    TEXT NOT NULL,
  hash     TEXT NOT NULL UNIQUE,
  created  BIGINT NOT NULL,
  used     BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX api_keys_by_user ON api_keys (user_id);
CREATE TABLE presets (
  user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name     TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (user_id, name)
);
CREATE TABLE conversations (
  id       TEXT PRIMARY KEY,
  user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  title    TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  model    TEXT NOT NULL,
  folder   TEXT NOT NULL,
  pinned   INTEGER NOT NULL,
  created  BIGINT NOT NULL,
  updated  BIGINT NOT NULL,
  place    BIGINT NOT NULL,
  leaf     TEXT NOT NULL,
  settings TEXT NOT NULL
);
CREATE INDEX conversations_in_order ON conversations (user_id, pinned, place);
CREATE TABLE messages (
  seq          INTEGER PRIMARY KEY,
  id           TEXT NOT NULL UNIQUE,
  conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  parent       TEXT REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
  role         TEXT NOT NULL,
  content      TEXT NOT NULL,
  reasoning    TEXT NOT NULL DEFAULT '',
  parts        TEXT NOT NULL DEFAULT '[]',
  status       TEXT NOT NULL,
  error        TEXT NOT NULL DEFAULT '',
  created      BIGINT NOT NULL,
  model        TEXT NOT NULL DEFAULT '',
  stats        TEXT NOT NULL DEFAULT 'null',
  feedback     INTEGER NOT NULL DEFAULT 0,
  comment      TEXT NOT NULL DEFAULT '',
  run          TEXT NOT NULL DEFAULT '',
  prompt_hash  TEXT NOT NULL DEFAULT '',
  parameters   TEXT NOT NULL DEFAULT 'null',
  request_key  TEXT
);
CREATE INDEX messages_by_conversation ON messages (conversation, seq);
CREATE INDEX messages_by_parent ON messages (parent);
CREATE INDEX messages_running ON messages (status) WHERE status = 'running';
CREATE UNIQUE INDEX messages_by_request ON messages (conversation, request_key)
  WHERE request_key IS NOT NULL;
CREATE TABLE attachments (
  message  TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  number   INTEGER NOT NULL,
  name     TEXT NOT NULL,
  content  TEXT NOT NULL,
  PRIMARY KEY (message, number)
);
)sql",
};

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

}  // namespace jiang
