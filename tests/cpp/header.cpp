// The wrapper alone and twice, with every template of it used.
#include "tim_presence.hpp"

#include "tim_presence.hpp"

int main() {
  tim::ClientOptions options;
  options.delivery = tim::Delivery::Poll;
  tim::Expected<tim::Client> created = tim::Client::create(options);
  tim::Client client = created ? *std::move(created) : tim::Client();
  const auto result = [](const tim::Result &) {};
  tim::Error error = client.login("", "", result);
  error = client.logout(result);
  error = client.renew_user_sig("", result);
  error = client.set_self_status("", result);
  error = client.user_status({}, result);
  error = client.subscribe({}, result);
  error = client.unsubscribe({}, result);
  error = client.unsubscribe_all(result);
  error = client.subscriptions(result);
  error = client.friends(result);
  error = client.on_status_changed([](const std::vector<tim::UserStatus> &) {});
  error = client.on_connection_state([](tim::ConnectionState, const tim::Error &) {});
  error = client.on_kicked_offline([](const tim::Error &) {});
  error = client.on_user_sig_expired([] {});
  error = client.on_subscription_evicted([](const std::vector<std::string> &) {});
  error = client.on_log(tim::LogLevel::Info, [](tim::LogLevel, std::string_view) {});
  error = client.on_thread([] {}, [] {});
  error = client.on_exception([](std::exception_ptr) {});
  error = client.on_wake([] {});
  error = client.close_async([] {});
  std::future<tim::Result> future = client.login("", "");
  future = client.user_status({"a", "b"});
  const tim::Expected<std::size_t> handled = client.poll(0, std::chrono::milliseconds(0));
  tim::Expected<tim::Server> server = tim::Server::start();
  const bool addressed = server && server->address().ok() && server->issue_user_sig("a", std::chrono::seconds(1)).ok();
  return handled && addressed && error.ok() && !tim::error_table().empty() ? 0 : 1;
}
