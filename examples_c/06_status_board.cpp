// 06 status board: the library from C++, with include/tim_presence.hpp.
//
// A board shows who is in. It logs in, subscribes to carol and dave, and prints each change until both have left. All in
// this process, with an embedded server; a real application logs in to its server with a UserSig that its backend made.
//
// To see here: results as futures and as callbacks, errors as values and as exceptions, and why a client is the last
// member of the class whose members its callbacks use.
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tim_presence.hpp"

using namespace std::chrono_literals;

namespace {

std::string in_words(const tim::UserStatus &user) {
  switch (user.status) {
  case tim::Status::Online: return user.custom_status.empty() ? "in" : "in, " + user.custom_status;
  case tim::Status::Offline: return "gone (connection lost)";
  case tim::Status::Unlogined: return "out";
  case tim::Status::Unknown: break;
  }
  return "unknown"; // also a status that only a newer server knows
}

class Board {
public:
  explicit Board(const tim::ClientOptions &options) : client_(tim::Client::create(options).value()) {
    // The callback thread calls this; the list is a copy, ours to keep.
    client_
        .on_status_changed([this](std::vector<tim::UserStatus> changes) {
          for (auto &user : changes) show(std::move(user));
        })
        .or_throw();
  }

  void open(const std::string &user_sig, const std::vector<std::string> &staff) {
    // A future, and an exception if it failed: good for steps that must succeed. Never wait so inside a callback.
    client_.login("board", user_sig).get().or_throw();
    const tim::Result subscribed = client_.subscribe(staff).get();
    // A value: some users may have failed and others not.
    for (const tim::UserStatus &user : subscribed.items) {
      if (user.ok()) show(user);
      else std::cerr << user.user_id << ": " << timErrorMessage(user.code) << '\n';
    }
  }

  bool wait_until_out(const std::vector<std::string> &staff, std::chrono::seconds patience) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, patience, [&] {
      for (const std::string &user_id : staff)
        if (shown_[user_id].reason != tim::Reason::Logout) return false;
      return true;
    });
  }

private:
  void show(tim::UserStatus user) {
    const std::lock_guard<std::mutex> lock(mutex_);
    // A result and a notification may cross on their way to this function; the version tells which is newer.
    if (user.user_id == "board" || user.version < shown_[user.user_id].version) return;
    std::cout << user.user_id << " is " << in_words(user) << std::endl;
    shown_[user.user_id] = std::move(user);
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, tim::UserStatus> shown_;
  // Last, so that it is destroyed first: its destructor waits until no callback uses the members above any more.
  tim::Client client_;
};

// Somebody comes in, says something, and leaves; each step begins in the callback of the one before, which captures a
// ClientRef by value: that stays valid, whatever becomes of the client. No exceptions here: nobody would catch them.
void visit(const tim::ClientRef &me, const std::string &user_id, const std::string &user_sig, const std::string &says) {
  const auto report = [user_id](const tim::Error &error) {
    if (!error.ok()) std::cerr << user_id << ": " << error.name() << ": " << error.message << '\n';
  };
  report(me.login(user_id, user_sig, [me, says, report](const tim::Result &login) {
    report(login.error);
    report(me.set_self_status(says, [me, report](const tim::Result &set) {
      report(set.error);
      report(me.logout([report](const tim::Result &logout) { report(logout.error); }));
    }));
  }));
}

} // namespace

int main() {
  try {
    tim::Server server = tim::Server::start().value();
    tim::ClientOptions options;
    options.server = server.address().value();
    options.sdk_app_id = 1400000001;

    const std::vector<std::string> staff{"carol", "dave"};
    Board board(options);
    board.open(server.issue_user_sig("board", 1h).value(), staff);

    const tim::Client carol = tim::Client::create(options).value();
    const tim::Client dave = tim::Client::create(options).value();
    visit(carol, "carol", server.issue_user_sig("carol", 1h).value(), "at her desk");
    visit(dave, "dave", server.issue_user_sig("dave", 1h).value(), "in a meeting");

    const bool all_left = board.wait_until_out(staff, 20s);
    std::cout << (all_left ? "everybody left" : "somebody is still in") << std::endl;
    return all_left ? 0 : 1;
  } catch (const std::exception &exception) {
    std::cerr << exception.what() << '\n'; // tim::Exception has the code, too
    return 1;
  }
}
