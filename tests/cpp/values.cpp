// Values: the types themselves, options, results and errors, in both forms of every call.
#include <type_traits>

#include "check.hpp"

// A client and a server each have one owner, and their handles cannot be taken for each other.
static_assert(!std::is_copy_constructible_v<tim::Client> && !std::is_copy_assignable_v<tim::Client>);
static_assert(std::is_nothrow_move_constructible_v<tim::Client> && std::is_nothrow_move_assignable_v<tim::Client>);
static_assert(!std::is_copy_constructible_v<tim::Server> && std::is_nothrow_move_assignable_v<tim::Server>);
static_assert(std::is_copy_constructible_v<tim::ClientRef>);
static_assert(!std::is_constructible_v<tim::Client, tim::ClientRef>);
static_assert(!std::is_convertible_v<tim::ClientHandle, tim::ServerHandle>);
static_assert(!std::is_convertible_v<tim::ClientHandle, TimClient> && !std::is_convertible_v<TimServer, tim::ClientHandle>);

CASE(every_call_in_both_forms, "each function of the client works with a future and with a callback") {
  tim::Server server = tim::Server::start().value();
  tim::Client bob = online(server, "bob");
  tim::Client alice = client_of(server);
  Inbox<tim::Result> results;
  const auto put = [&results](tim::Result result) { results.put(std::move(result)); };
  const auto expect_ok = [&results](const tim::Error &accepted) {
    OK(accepted);
    tim::Result result = results.take();
    OK(result);
    return result.items.size();
  };

  CHECK(alice.login_state().value() == tim::LoginState::LoggedOut);
  CHECK_EQ(alice.login_user().value(), "");
  CHECK_EQ(alice.server_time().value().time_since_epoch().count(), 0);

  expect_ok(alice.login("alice", sig_for(server, "alice"), put));
  CHECK(alice.login_state().value() == tim::LoginState::LoggedIn);
  CHECK_EQ(alice.login_user().value(), "alice");
  CHECK(alice.server_time().value().time_since_epoch() > 0ms);
  OK(awaited(alice.renew_user_sig(sig_for(server, "alice"))));
  expect_ok(alice.renew_user_sig(sig_for(server, "alice"), put));

  OK(awaited(alice.set_self_status("in a call")));
  expect_ok(alice.set_self_status("away", put));

  const tim::Result asked = awaited(alice.user_status({"alice", "bob"}));
  OK(asked);
  CHECK_EQ(asked.items.size(), 2U);
  CHECK_EQ(asked.items[0].user_id, "alice");
  CHECK_EQ(asked.items[0].custom_status, "away");
  CHECK(asked.items[0].reason == tim::Reason::CustomStatus);
  CHECK(asked.find("bob")->status == tim::Status::Online);
  CHECK(asked.find("bob")->platforms != 0 && asked.find("carol") == nullptr);
  CHECK(asked.find("bob")->version > 0 && asked.find("bob")->since.time_since_epoch() > 0ms);
  CHECK_EQ(expect_ok(alice.user_status({"bob"}, put)), 1U);

  CHECK_EQ(awaited(alice.subscribe({"bob"})).items.size(), 1U);
  CHECK_EQ(expect_ok(alice.subscribe({"carol", "dave"}, put)), 2U);
  const tim::Result listed = awaited(alice.subscriptions());
  CHECK_EQ(listed.items.size(), 3U);
  CHECK_EQ(listed.items[0].user_id + listed.items[1].user_id + listed.items[2].user_id, "bobcaroldave");
  OK(awaited(alice.unsubscribe({"bob"})));
  expect_ok(alice.unsubscribe({"carol"}, put));
  CHECK_EQ(expect_ok(alice.subscriptions(put)), 1U);
  OK(awaited(alice.unsubscribe_all()));
  CHECK(awaited(alice.subscriptions()).items.empty());
  expect_ok(alice.unsubscribe_all(put));
  CHECK(awaited(alice.friends()).items.empty());
  expect_ok(alice.friends(put));

  OK(alice.notify_network_changed());
  OK(awaited(alice.logout()));
  FAILS(awaited(alice.logout()), TIM_ERR_NOT_LOGGED_IN);
  OK(bob.logout(nullptr)); /* nobody wants the result */
  CHECK_EQ(results.size(), 0U);
}

CASE(a_failed_query_still_has_its_items, "R4.3: the call fails with the first code, and every user has its own") {
  tim::Server server = tim::Server::start().value();
  tim::Client alice = online(server, "alice");
  const tim::Result result = awaited(alice.user_status({"nobody", "\x01"}));
  FAILS(result, TIM_ERR_ACCOUNT_NOT_FOUND);
  CHECK_EQ(result.items.size(), 2U);
  CHECK_EQ(result.items[0].code, TIM_ERR_ACCOUNT_NOT_FOUND);
  CHECK_EQ(result.items[1].code, TIM_ERR_INVALID_USER_ID);
  CHECK(!result.items[0].ok());
}

CASE(evicted_users_are_named, "R5.2: the result and the listener name who fell off the list") {
  tim::Server server = tim::Server::start(R"({"subscriptions_max": 2})").value();
  tim::Client alice = online(server, "alice");
  Inbox<std::vector<std::string>> evicted;
  OK(alice.on_subscription_evicted([&](std::vector<std::string> user_ids) { evicted.put(std::move(user_ids)); }));
  OK(awaited(alice.subscribe({"bob", "carol"})));
  const tim::Result result = awaited(alice.subscribe({"dave"}));
  CHECK(result.evicted == std::vector<std::string>{"bob"});
  CHECK(evicted.take() == std::vector<std::string>{"bob"});
}

CASE(a_rate_limit_says_how_long_to_wait, "R7.5: the 21st call has retry_after, and is retriable") {
  tim::Server server = tim::Server::start(R"({"rate_calls": 1, "rate_window_ms": 60000})").value();
  tim::Client alice = online(server, "alice");
  OK(awaited(alice.subscribe({"bob"})));
  const tim::Result refused = awaited(alice.subscribe({"carol"}));
  FAILS(refused, TIM_ERR_RATE_LIMITED);
  CHECK(refused.error.retry_after > 0ms && refused.error.retry_after <= 60s);
  CHECK(refused.error.retriable() && !refused.error.fatal() && !refused.error.programming());
  CHECK_EQ(std::string(refused.error.name()), "TIM_ERR_RATE_LIMITED");
}

CASE(a_refused_call_is_told_at_once, "a refused call's future is ready; its callback is destroyed and never called") {
  tim::Server server = tim::Server::start().value();
  tim::Client alice = online(server, "alice");
  auto future = alice.set_self_status(std::string("a\0b", 3));
  CHECK(future.wait_for(0s) == std::future_status::ready);
  FAILS(future.get(), TIM_ERR_INVALID_ARGUMENT);
  const auto held = std::make_shared<int>(0);
  const auto never = [held](const tim::Result &) { FAIL("a refused call was answered"); };
  FAILS(alice.set_self_status("\xff", never), TIM_ERR_NOT_UTF8);
  FAILS(alice.login("a", std::string("\0", 1), never), TIM_ERR_INVALID_ARGUMENT);
  FAILS(alice.user_status({"bob", std::string("c\0", 2)}, never), TIM_ERR_INVALID_ARGUMENT);
  /* An emptied list is a mistake; unsubscribe_all says it. */
  FAILS(awaited(alice.unsubscribe({})), TIM_ERR_INVALID_ARGUMENT);
  FAILS(awaited(alice.user_status({})), TIM_ERR_INVALID_PARAMETERS);
  CHECK_EQ(held.use_count(), 2); /* `held` and `never`: the copies that were refused are gone */
}

CASE(a_client_that_is_none_refuses, "every call of an empty Client or ClientRef answers TIM_ERR_INVALID_HANDLE") {
  const tim::Client none;
  CHECK(!none && none.handle().value == 0);
  FAILS(awaited(none.login("a", "b")), TIM_ERR_INVALID_HANDLE);
  FAILS(none.logout(nullptr), TIM_ERR_INVALID_HANDLE);
  FAILS(none.on_status_changed([](const std::vector<tim::UserStatus> &) {}), TIM_ERR_INVALID_HANDLE);
  FAILS(none.on_exception([](std::exception_ptr) {}), TIM_ERR_INVALID_HANDLE);
  FAILS(none.on_thread([] {}, nullptr), TIM_ERR_INVALID_HANDLE);
  FAILS(none.on_wake([] {}), TIM_ERR_INVALID_HANDLE);
  FAILS(none.poll(0, 0ms), TIM_ERR_INVALID_HANDLE);
  FAILS(none.login_state(), TIM_ERR_INVALID_HANDLE);
  FAILS(none.login_user(), TIM_ERR_INVALID_HANDLE);
  FAILS(none.server_time(), TIM_ERR_INVALID_HANDLE);
  FAILS(none.wake_fd(), TIM_ERR_INVALID_HANDLE);
  FAILS(none.close(0ms), TIM_ERR_INVALID_HANDLE);
  FAILS(none.close_async([] { FAIL("closed"); }), TIM_ERR_INVALID_HANDLE);
  tim::Server no_server;
  CHECK(!no_server);
  FAILS(no_server.address(), TIM_ERR_INVALID_HANDLE);
  FAILS(no_server.issue_user_sig("a", 1s), TIM_ERR_INVALID_HANDLE);
  FAILS(no_server.stop(0ms), TIM_ERR_INVALID_HANDLE);
}

CASE(exceptions_on_demand, "value() and or_throw() throw tim::Exception, which tells name and text") {
  try {
    (void)tim::Client::create_from_json(R"({"server": "tim://127.0.0.1:1", "sdk_app_id": 1, "colour": 3})").value();
    FAIL("unknown keys are accepted");
  } catch (const tim::Exception &exception) {
    CHECK_EQ(exception.error().code, TIM_ERR_INVALID_OPTIONS);
    CHECK(std::strstr(exception.what(), "TIM_ERR_INVALID_OPTIONS") && std::strstr(exception.what(), "colour"));
    CHECK(exception.error().programming());
  }
  tim::Server server = tim::Server::start().value();
  tim::Client alice = client_of(server);
  try {
    (void)awaited(alice.set_self_status("x")).or_throw();
    FAIL("a failure does not throw");
  } catch (const std::runtime_error &exception) {
    CHECK(std::strstr(exception.what(), "TIM_ERR_NOT_LOGGED_IN"));
  }
  CHECK(awaited(alice.login("alice", sig_for(server, "alice"))).or_throw().ok());
  alice.notify_network_changed().or_throw();
  try {
    tim::ClientRef().notify_network_changed().or_throw();
    FAIL("an error does not throw");
  } catch (const tim::Exception &exception) {
    CHECK_EQ(exception.error().code, TIM_ERR_INVALID_HANDLE);
  }
}

CASE(options_become_json, "what is not set is left out, units are milliseconds, texts are escaped") {
  tim::ClientOptions options;
  options.server = "tim://\"\\\n\x01\xc3\xa9";
  options.sdk_app_id = 7;
  CHECK_EQ(options.to_json(), "{\"server\": \"tim://\\\"\\\\\\u000a\\u0001\xc3\xa9\", \"sdk_app_id\": 7}");
  options.server = "tim://127.0.0.1:1";
  options.platform = "Web";
  options.delivery = tim::Delivery::Shared;
  options.queue_max = 9;
  options.restore_subscriptions = false;
  options.login_timeout = 1s;
  options.request_timeout = 2s;
  options.disconnected_wait = 3s;
  options.connect_timeout = 4s;
  options.logout_timeout = 5s;
  options.backoff_base = 6ms;
  options.backoff_max = 7ms;
  CHECK_EQ(options.to_json(),
           R"({"server": "tim://127.0.0.1:1", "sdk_app_id": 7, "platform": "Web", "delivery": "shared", "queue_max": 9, )"
           R"("restore_subscriptions": false, "login_timeout_ms": 1000, "request_timeout_ms": 2000, )"
           R"("disconnected_wait_ms": 3000, "connect_timeout_ms": 4000, "logout_timeout_ms": 5000, )"
           R"("backoff_base_ms": 6, "backoff_max_ms": 7})");
  OK(tim::Client::create(options)); /* and the library knows every key */
  options.data_dir = "/proc/no such \"folder\"";
  FAILS(tim::Client::create(options), TIM_ERR_DATA_DIR);
}

CASE(a_server_can_be_moved_and_stopped, "one owner; a stopped one refuses; a UserSig has a range") {
  tim::Server first = tim::Server::start().value();
  const std::string address = first.address().value();
  tim::Server second = std::move(first);
  CHECK(!first && second && second.handle().value != 0); // NOLINT: a moved-from server is documented
  CHECK_EQ(second.address().value(), address);
  FAILS(second.issue_user_sig("alice", 0s), TIM_ERR_INVALID_ARGUMENT);
  FAILS(second.issue_user_sig("alice", -5s), TIM_ERR_INVALID_ARGUMENT);
  FAILS(second.issue_user_sig(std::string("a\0", 2), 1s), TIM_ERR_INVALID_ARGUMENT);
  FAILS(tim::Server::start(R"({"colour": 3})"), TIM_ERR_INVALID_OPTIONS);
  second = tim::Server::start().value(); /* stops the first */
  FAILS(tim::Server::start("{\"listen\": \"" + second.address().value().substr(6) + "\"}"), TIM_ERR_ADDRESS_IN_USE);
  OK(second.stop(5s));
  FAILS(second.stop(5s), TIM_ERR_INVALID_HANDLE);
}

CASE(the_table_of_errors, "every row has a number of its own, a name and texts; the version is the header's") {
  std::map<std::int32_t, tim::ErrorDescription> rows;
  for (const tim::ErrorDescription &row : tim::error_table()) {
    CHECK(rows.emplace(row.code, row).second);
    CHECK(!row.name.empty() && !row.message.empty() && !row.details.empty());
    CHECK_EQ(std::string(row.name), tim::Error{row.code}.name());
    CHECK_EQ(row.flags, tim::Error{row.code}.flags());
  }
  CHECK(rows.size() > 40 && rows.count(TIM_ERR_STATUS_DISABLED) == 1);
  CHECK_EQ(std::string(tim::version()), TIM_VERSION_STRING);
}

MAIN
