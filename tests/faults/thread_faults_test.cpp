// A thread that the system refuses ends what wanted it with a sentence, or leaves it with fewer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "base/http_client.h"
#include "base/sha256.h"
#include "base/threads.h"
#include "hub/download.h"
#include "hub/model_name.h"
#include "hub/repository.h"
#include "install/pull_manager.h"
#include "tests/faults/faults.h"
#include "tests/support/temp_folder.h"

namespace jiang {
namespace {

using testing::HasSubstr;

// One file of a hub, by ranges, without threads of its own.
class OneFile final : public HttpClient {
 public:
  explicit OneFile(std::string content) : content_(std::move(content)) {}
  Result<HttpClientResponse> send(const HttpRequestOptions& request) override {
    size_t first = 0, last = content_.size() - 1;
    for (const auto& [name, value] : request.headers) {
      if (name == "Range") std::sscanf(value.c_str(), "bytes=%zu-%zu", &first, &last);
    }
    HttpClientResponse response;
    response.status = 206;
    response.url = request.url;
    response.headers = {{"content-range", "bytes " + std::to_string(first) + "-" +
                                              std::to_string(last) + "/" +
                                              std::to_string(content_.size())}};
    if (request.on_headers) TRY_STATUS(request.on_headers(206, response.headers));
    TRY_STATUS(request.on_body(std::string_view(content_).substr(first, last - first + 1)));
    return response;
  }

 private:
  const std::string content_;
};

// A hub that knows no model.
class NothingThere final : public HttpClient {
 public:
  Result<HttpClientResponse> send(const HttpRequestOptions& request) override {
    return HttpClientResponse{404, {}, "{}", request.url};
  }
};

TEST(ThreadFaults, ARefusedThreadIsAnErrorAndTheOthersAreJoined) {
  std::atomic<int> ran = 0;
  {
    Threads threads;
    ASSERT_TRUE(threads.start([&] { ++ran; }));
    fail_the(1, Fault::thread);
    const Status refused = threads.start([&] { ran += 100; });
    EXPECT_TRUE(end_of_faults());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("threads"));
  }
  EXPECT_EQ(ran, 1);
}

TEST(ThreadFaults, ADownloadGoesOnWithTheThreadsThatItGot) {
  const std::string content(50'000, 'x');
  Sha256 digest;
  digest.update(content);
  const std::string sha256 = digest.hex();
  for (int64_t n = 1; n <= 3; ++n) {
    const TempFolder folder;
    OneFile client(content);
    std::shared_ptr<ChunkMap> map;
    fail_the(n, Fault::thread);
    const auto blob = download_blob(
        client, folder.path(),
        {.label = "m.gguf",
         .url = "https://hub.invalid/m.gguf",
         .bytes = content.size(),
         .sha256 = sha256},
        {.connections = 3, .chunk_bytes = 4096, .on_start = [&](const std::string&, auto begun) {
           map = std::move(begun);
         }});
    EXPECT_TRUE(end_of_faults());
    ASSERT_EQ(blob.has_value(), n > 1) << n;
    if (n == 1) {
      EXPECT_THAT(blob.error().message, HasSubstr("threads"));
      EXPECT_FALSE(map->wait_for(0, 1)) << "whoever reads ahead is told";
    } else {
      EXPECT_EQ(blob->sha256, sha256);
    }
  }
}

TEST(ThreadFaults, AHubThatCouldNotBeAskedIsNamed) {
  for (int64_t n = 1; n <= 2; ++n) {
    NothingThere client;
    fail_the(n, Fault::thread);
    const auto found = list_repository(client, HubSettings(), *parse_model_name("o/m"));
    EXPECT_TRUE(end_of_faults());
    ASSERT_FALSE(found);
    EXPECT_THAT(found.error().message, HasSubstr("threads"));
  }
}

TEST(ThreadFaults, APullThatGetsNoThreadIsRefusedAndNotListed) {
  const TempFolder folder;
  PullManager manager(std::make_unique<NothingThere>(), HubSettings(), Store(folder.path()),
                      Catalogue(), {});
  fail_the(1, Fault::thread);
  const auto refused = manager.start("ms:o/m", PullManager::Interest::background);
  EXPECT_TRUE(end_of_faults());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("threads"));
  EXPECT_TRUE(manager.list().empty());
  EXPECT_TRUE(manager.start("ms:o/m", PullManager::Interest::background));
}

}  // namespace
}  // namespace jiang
