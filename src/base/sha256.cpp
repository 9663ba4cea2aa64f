#include "base/sha256.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

namespace jiang {
namespace {

constexpr size_t kPiece = size_t{1} << 20;

EVP_MD_CTX* new_digest(const EVP_MD* kind) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  JIANG_CHECK(context && EVP_DigestInit_ex(context, kind, nullptr) == 1, "OpenSSL has no digest");
  return context;
}

std::string finish_hex(EVP_MD_CTX* context) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  unsigned int size = 0;
  JIANG_CHECK(EVP_DigestFinal_ex(context, digest.data(), &size) == 1, "the digest cannot end");
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

// Calls update(piece) with all bytes of the file.
template <class Update>
Status read_pieces(const std::string& path, Update update) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) {
    return fail(errno == ENOENT ? ErrorKind::not_found : ErrorKind::io, "{}: cannot open: {}", path,
                std::strerror(errno));
  }
  std::vector<std::byte> piece(kPiece);
  while (true) {
    const ssize_t count = ::read(descriptor, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int reason = errno;
      ::close(descriptor);
      return fail(ErrorKind::io, "{}: cannot read: {}", path, std::strerror(reason));
    }
    if (count == 0) break;
    update(std::span(piece).first(static_cast<size_t>(count)));
  }
  ::close(descriptor);
  return ok();
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = new_digest(EVP_sha256());
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  JIANG_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "digest");
}

void Sha256::update(std::string_view text) { update(std::as_bytes(std::span(text))); }

std::string Sha256::hex() { return finish_hex(state_->context); }

std::string sha256_hex(std::string_view text) {
  Sha256 digest;
  digest.update(text);
  return digest.hex();
}

Result<std::string> sha256_of_file(const std::string& path) {
  Sha256 digest;
  TRY_STATUS(read_pieces(path, [&](std::span<const std::byte> piece) { digest.update(piece); }));
  return digest.hex();
}

bool is_sha256_hex(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

Result<std::string> git_blob_id_of_file(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return fail(ErrorKind::io, "{}: {}", path, error.message());
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> digest(new_digest(EVP_sha1()),
                                                                  EVP_MD_CTX_free);
  std::string head = fmt::format("blob {}", size);
  head += '\0';
  EVP_DigestUpdate(digest.get(), head.data(), head.size());
  TRY_STATUS(read_pieces(path, [&](std::span<const std::byte> piece) {
    EVP_DigestUpdate(digest.get(), piece.data(), piece.size());
  }));
  return finish_hex(digest.get());
}

}  // namespace jiang
