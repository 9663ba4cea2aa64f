#include "storage/users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/storage_test_support.h"

namespace jiang {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class UsersTest : public ::testing::Test {
 protected:
  TemporaryHome home_;
  std::unique_ptr<Storage> storage_ = open_storage(home_);
  Users& users_ = storage_->users();
};

TEST_F(UsersTest, TheOwnerIsMadeOnce) {
  const User first = *users_.owner();
  EXPECT_EQ(first.role, Role::owner);
  EXPECT_EQ(users_.owner()->id, first.id);
  EXPECT_EQ(users_.list()->size(), 1u);
  EXPECT_FALSE(users_.remove(first.id));
}

TEST_F(UsersTest, ALoginTokenIsGoodOnceAndNotForEver) {
  const User owner = *users_.owner();
  const std::string token = *users_.make_login_token(owner.id, seconds(60));
  const auto login = users_.log_in(token);
  ASSERT_TRUE(login) << login.error().message;
  EXPECT_EQ(login->user.id, owner.id);
  const auto again = users_.log_in(token);
  const auto wrong = users_.log_in("nonsense");
  const auto old = users_.log_in(*users_.make_login_token(owner.id, seconds(0)));
  ASSERT_FALSE(again);
  ASSERT_FALSE(wrong);
  ASSERT_FALSE(old);
  EXPECT_EQ(again.error().message, wrong.error().message);
  EXPECT_EQ(old.error().message, wrong.error().message);
}

TEST_F(UsersTest, ASessionEndsWithLogOutAndWithItsUser) {
  const User owner = *users_.owner();
  const User other = *users_.create("\xE5\xB0\x8F\xE6\x98\x8E", Role::user);
  const std::string a = users_.log_in(*users_.make_login_token(owner.id, seconds(60)))->session;
  const std::string b = users_.log_in(*users_.make_login_token(other.id, seconds(60)))->session;
  ASSERT_TRUE(users_.user_of_session(a)->has_value());
  EXPECT_EQ((*users_.user_of_session(b))->name, "\xE5\xB0\x8F\xE6\x98\x8E");
  EXPECT_EQ(*users_.user_of_session("x"), std::nullopt);
  ASSERT_TRUE(users_.log_out(a));
  EXPECT_FALSE(users_.user_of_session(a)->has_value());
  ASSERT_TRUE(users_.remove(other.id));
  EXPECT_FALSE(users_.user_of_session(b)->has_value());
}

TEST_F(UsersTest, NamesAreTakenOnceAndChecked) {
  EXPECT_TRUE(users_.create("ann", Role::user));
  EXPECT_FALSE(users_.create("ann", Role::owner));
  EXPECT_FALSE(users_.create("", Role::user));
  EXPECT_FALSE(users_.create("v", Role::visitor));
}

TEST_F(UsersTest, AKeyIsShownOnceAndDiesWhenRemoved) {
  const User owner = *users_.owner();
  EXPECT_FALSE(*users_.has_keys());
  const auto made = users_.create_key(owner.id, "laptop");
  ASSERT_TRUE(made);
  EXPECT_THAT(made->secret, StartsWith("jiang-"));
  EXPECT_GE(made->secret.size(), 6u + 43u);
  EXPECT_TRUE(*users_.has_keys());
  const auto keys = users_.keys(owner.id);
  ASSERT_EQ(keys->size(), 1u);
  EXPECT_EQ(keys->front().name, "laptop");
  EXPECT_EQ((*users_.user_of_key(made->secret))->id, owner.id);
  EXPECT_FALSE(users_.user_of_key(made->secret + "x")->has_value());
  EXPECT_FALSE(users_.user_of_key(made->secret.substr(0, 20))->has_value());
  const User other = *users_.create("other", Role::user);
  EXPECT_FALSE(users_.remove_key(other.id, made->key.id)) << "somebody else's key";
  ASSERT_TRUE(users_.remove_key(owner.id, made->key.id));
  EXPECT_FALSE(users_.user_of_key(made->secret)->has_value());
}

TEST_F(UsersTest, NoSecretIsInTheFile) {
  const User owner = *users_.owner();
  const std::string session =
      users_.log_in(*users_.make_login_token(owner.id, seconds(60)))->session;
  const std::string token = *users_.make_login_token(owner.id, seconds(60));
  const std::string key = users_.create_key(owner.id, "k")->secret;
  std::string bytes;
  for (const char* name : {"/data.db", "/data.db-wal"}) {
    bytes += *read_file(home_.path() + name, size_t{64} << 20);
  }
  EXPECT_THAT(bytes, HasSubstr(owner.id));
  for (const std::string& secret : {session, token, key}) {
    EXPECT_EQ(bytes.find(secret), std::string::npos);
  }
}

TEST_F(UsersTest, AVisitorGoesWithTheLink) {
  const User owner = *users_.owner();
  const Share share =
      *storage_->shares().create(owner.id, Share::Kind::agent, "craftsman", Share::Level::link);
  const auto visit = users_.visit(share.token);
  ASSERT_TRUE(visit);
  EXPECT_EQ(visit->user.role, Role::visitor);
  EXPECT_EQ((*users_.user_of_session(visit->session))->share, share.token);
  EXPECT_EQ(users_.list()->size(), 1u);
  const auto chat = storage_->conversations().create(visit->user.id, {});
  ASSERT_TRUE(chat);
  EXPECT_FALSE(users_.create_key(visit->user.id, "k"));
  EXPECT_FALSE(users_.visit("nonsense"));
  ASSERT_TRUE(storage_->shares().remove(owner.id, share.token));
  EXPECT_FALSE(users_.user_of_session(visit->session)->has_value());
  EXPECT_FALSE(storage_->conversations().find(visit->user.id, chat->id));
  EXPECT_FALSE(users_.visit(share.token));
}

TEST_F(UsersTest, SettingsMergeAndPresetsAreKept) {
  const User owner = *users_.owner();
  Settings& settings = storage_->settings();
  EXPECT_EQ(to_string(*settings.get(owner.id)), "{}");
  ASSERT_TRUE(settings.merge(owner.id, {{"locale", "zh-CN"}, {"x", {{"y", 1}}}}));
  EXPECT_EQ(to_string(*settings.merge(owner.id, {{"x", nullptr}, {"theme", "dark"}})),
            R"({"locale":"zh-CN","theme":"dark"})");
  EXPECT_FALSE(settings.merge(owner.id, Json::array()));
  EXPECT_FALSE(settings.merge(owner.id, {{"big", std::string(70000, 'x')}}));
  ASSERT_TRUE(settings.put_preset(owner.id, "b", {{"system", "1"}}));
  ASSERT_TRUE(settings.put_preset(owner.id, "a", {{"system", "2"}}));
  ASSERT_TRUE(settings.put_preset(owner.id, "b", {{"system", "3"}}));
  EXPECT_EQ(to_string(*settings.presets(owner.id)),
            R"([{"name":"a","system":"2"},{"name":"b","system":"3"}])");
  ASSERT_TRUE(settings.remove_preset(owner.id, "a"));
  EXPECT_FALSE(settings.remove_preset(owner.id, "a"));
}

}  // namespace
}  // namespace jiang
