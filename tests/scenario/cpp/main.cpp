/* The runner in C++: main STORY ADDRESS APP_ID. See ../README.md. It uses tim_presence.hpp alone, and Delivery::Shared. */
#include "tim_presence.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace {

using Words = std::vector<std::string>;

/* How long anything may take that the story waits for. */
constexpr auto deadline = std::chrono::seconds(30);
/* Of more users than this only the first, the last and the number are printed. */
constexpr std::size_t items_shown = 5;

std::string current_step;

[[noreturn]] void broken(const std::string &what) {
  std::cout.flush();
  std::cerr << "at \"" << current_step << "\": " << what << '\n';
  std::exit(2);
}

/* ---- the driver: a line that begins with ! asks, and a line on the standard input answers ---- */

std::string ask(const std::string &request) {
  std::cout << '!' << request << std::endl;
  std::string answer;
  if (!std::getline(std::cin, answer) || answer.compare(0, 3, "ok ") != 0) broken("the driver does not answer");
  return answer.substr(3);
}

/* ---- words ---- */

void add_unquoted(Words &words, const std::string &text) {
  const auto brace = text.find('{');
  if (brace == std::string::npos) return words.push_back(text);
  const std::string stem = text.substr(0, brace), range = text.substr(brace + 1);
  const auto dots = range.find("..");
  if (range[0] == '*') {
    std::string repeated;
    for (int i = std::stoi(range.substr(1)); i > 0; --i) repeated += stem;
    words.push_back(repeated);
  } else if (dots != std::string::npos) {
    const int last = std::stoi(range.substr(dots + 2));
    for (int i = std::stoi(range); i <= last; ++i) words.push_back(stem + std::to_string(i));
  } else {
    broken("braces that are not understood: " + text);
  }
}

Words words_of(const std::string &line) {
  Words words;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(' ', at)) != std::string::npos) {
    const bool quoted = line[at] == '"';
    if (quoted) ++at;
    const std::size_t end = std::min(line.find(quoted ? '"' : ' ', at), line.size());
    if (quoted) words.push_back(line.substr(at, end - at));
    else add_unquoted(words, line.substr(at, end - at));
    at = std::min(end + 1, line.size());
  }
  return words;
}

/* ---- names ---- */

std::string name_of(tim::Status status) {
  switch (status) {
  case tim::Status::Unknown: return "UNKNOWN";
  case tim::Status::Online: return "ONLINE";
  case tim::Status::Offline: return "OFFLINE";
  case tim::Status::Unlogined: return "UNLOGINED";
  }
  return "?";
}

std::string name_of(tim::Reason reason) {
  switch (reason) {
  case tim::Reason::Unknown: return "UNKNOWN";
  case tim::Reason::Login: return "LOGIN";
  case tim::Reason::Logout: return "LOGOUT";
  case tim::Reason::LinkClosed: return "LINK_CLOSED";
  case tim::Reason::Timeout: return "TIMEOUT";
  case tim::Reason::CustomStatus: return "CUSTOM_STATUS";
  case tim::Reason::Kicked: return "KICKED";
  case tim::Reason::Expired: return "EXPIRED";
  case tim::Reason::Server: return "SERVER";
  }
  return "?";
}

std::string platforms_of(const tim::UserStatus &user) {
  static const std::pair<tim::Platform, const char *> names[] = {
      {tim::Platform::Other, "Other"},     {tim::Platform::Ios, "iOS"}, {tim::Platform::Android, "Android"}, {tim::Platform::Web, "Web"},
      {tim::Platform::Windows, "Windows"}, {tim::Platform::Mac, "Mac"}, {tim::Platform::Linux, "Linux"},     {tim::Platform::Ipad, "iPad"}};
  std::string text;
  for (const auto &[platform, name] : names)
    if (user.on(platform)) text += (text.empty() ? "" : "+") + std::string(name);
  return text.empty() ? "nowhere" : text;
}

std::string code_text(std::int32_t code) { return std::to_string(code) + ' ' + timErrorName(code); }

/* ---- a client, and what it was told and nobody printed yet ---- */

struct Kicked {
  std::int32_t code;
};
struct Evicted {
  std::vector<std::string> users;
};
using Event = std::variant<tim::UserStatus, tim::ConnectionState, Kicked, Evicted>;

class Person {
public:
  Person(const std::string &server, std::uint64_t app, const std::string &platform) {
    tim::ClientOptions options;
    options.server = server;
    options.sdk_app_id = app;
    options.platform = platform;
    options.delivery = tim::Delivery::Shared;
    options.backoff_base = std::chrono::milliseconds(20);
    options.backoff_max = std::chrono::milliseconds(200);
    options.disconnected_wait = std::chrono::milliseconds(1000);
    client = tim::Client::create(options).value();
    client.on_status_changed([this](std::vector<tim::UserStatus> changes) {
      for (auto &user : changes) append(std::move(user));
    }).or_throw();
    client.on_connection_state([this](tim::ConnectionState state, const tim::Error &) { append(state); }).or_throw();
    client.on_kicked_offline([this](const tim::Error &why) { append(Kicked{why.code}); }).or_throw();
    client.on_subscription_evicted([this](std::vector<std::string> users) { append(Evicted{std::move(users)}); }).or_throw();
  }

  using Wanted = std::function<bool(const Event &)>;

  /* Takes the first event that is wanted, waiting for it. */
  std::optional<Event> await(const Wanted &wanted) {
    std::unique_lock lock(mutex);
    std::optional<Event> found;
    something_came.wait_for(lock, deadline, [&] { return (found = take(wanted)).has_value(); });
    return found;
  }

  /* Takes the first event that is there, of any kind but the connection's. */
  std::optional<Event> next() {
    const std::lock_guard lock(mutex);
    return take([](const Event &event) { return !std::holds_alternative<tim::ConnectionState>(event); });
  }

  /* "newer", "same" or "older" than what this client saw of the user so far; and now it saw this. */
  std::string seen(const tim::UserStatus &user) {
    const auto known = marks.find(user.user_id);
    if (known != marks.end() && user.version < known->second) return "older";
    if (known != marks.end() && user.version == known->second) return "same";
    marks[user.user_id] = user.version;
    return "newer";
  }

  /* A round trip, if it is logged in: what the server sent before has arrived then. */
  void round_trip() {
    const std::string user = client.login_user().value();
    if (!user.empty()) static_cast<void>(client.user_status({user}).get());
  }

private:
  void append(Event event) {
    const std::lock_guard lock(mutex);
    events.push_back(std::move(event));
    something_came.notify_all();
  }

  std::optional<Event> take(const Wanted &wanted) {
    const auto found = std::find_if(events.begin(), events.end(), wanted);
    if (found == events.end()) return std::nullopt;
    Event event = std::move(*found);
    events.erase(found);
    return event;
  }

  std::mutex mutex;
  std::condition_variable something_came;
  std::deque<Event> events;
  std::map<std::string, std::uint64_t> marks;

public:
  tim::Client client; /* last: it ends before what its callbacks use */
};

std::map<std::string, std::unique_ptr<Person>> people;

Person &person_named(const std::string &name) {
  const auto found = people.find(name);
  if (found == people.end()) broken("there is no client " + name);
  return *found->second;
}

/* ---- printing ---- */

void print_error(const tim::Error &error) {
  std::cout << "error " << code_text(error.code) << (error.retry_after.count() > 0 ? ", retry later" : "") << '\n';
}

void print_item(Person &person, const tim::UserStatus &user, bool only_ids) {
  std::cout << "  " << (user.user_id.empty() ? "\"\"" : user.user_id);
  if (!user.ok()) std::cout << ' ' << code_text(user.code);
  else if (!only_ids)
    std::cout << ' ' << name_of(user.status) << " \"" << user.custom_status << "\" " << name_of(user.reason) << ' '
              << platforms_of(user) << ' ' << person.seen(user);
  std::cout << '\n';
}

void print_result(Person &person, const tim::Result &result, bool only_ids = false) {
  if (!result.ok()) {
    print_error(result.error);
  } else if (result.items.size() > items_shown) {
    std::cout << "ok, " << result.items.size() << " users\n";
    print_item(person, result.items.front(), only_ids);
    print_item(person, result.items.back(), only_ids);
  } else {
    std::cout << "ok\n";
    for (const auto &user : result.items) print_item(person, user, only_ids);
  }
  for (const auto &user : result.evicted) std::cout << "  evicted " << user << '\n';
}

void print_event(Person &person, const std::optional<Event> &event) {
  if (!event) {
    std::cout << "nothing came\n";
  } else if (const auto *user = std::get_if<tim::UserStatus>(&*event)) {
    std::cout << user->user_id << ' ' << name_of(user->status) << " \"" << user->custom_status << "\" " << name_of(user->reason)
              << ' ' << person.seen(*user) << '\n';
  } else if (const auto *state = std::get_if<tim::ConnectionState>(&*event)) {
    std::cout << (*state == tim::ConnectionState::Connected ? "connected" : "disconnected") << '\n';
  } else if (const auto *kicked = std::get_if<Kicked>(&*event)) {
    std::cout << "kicked " << code_text(kicked->code) << '\n';
  } else if (const auto *evicted = std::get_if<Evicted>(&*event)) {
    std::cout << "evicted";
    for (const auto &id : evicted->users) std::cout << ' ' << id;
    std::cout << '\n';
  }
}

/* ---- steps: `words` are those after the client's name ---- */

const std::string &word(const Words &words, std::size_t index) {
  if (index >= words.size()) broken("a word is missing");
  return words[index];
}

bool is_status_of(const Event &event, const std::string &user_id) {
  const auto *user = std::get_if<tim::UserStatus>(&event);
  return user != nullptr && user->user_id == user_id;
}

template <class Kind> bool is(const Event &event) { return std::holds_alternative<Kind>(event); }

void step_login(Person &person, const Words &words) {
  const std::string &user = word(words, 0), how = words.size() > 1 ? words[1] : "";
  std::string user_sig;
  if (how.empty()) user_sig = ask("sig " + user);
  else if (how == "with") user_sig = word(words, 2);
  else if (how == "signed-for") user_sig = ask("sig " + word(words, 2));
  else if (how == "signed-with-another-key") user_sig = ask("sig " + user + " another-key");
  else broken("a login " + how);
  print_result(person, person.client.login(user, user_sig).get());
}

/* Asks for a user again and again, until that is refused. */
void step_burst(Person &person, const Words &words) {
  const int times = std::stoi(word(words, 0));
  for (int succeeded = 0; succeeded < times; ++succeeded) {
    const tim::Result result = person.client.user_status({word(words, 1)}).get();
    if (result.ok()) continue;
    std::cout << "ok " << succeeded << " times, then ";
    return print_error(result.error);
  }
  std::cout << "ok " << times << " times\n";
}

void step_state(Person &person, const Words &) {
  if (person.client.login_state().value() == tim::LoginState::LoggedIn)
    std::cout << "logged in as " << person.client.login_user().value() << '\n';
  else std::cout << "logged out\n";
}

void step_await(Person &person, const Words &words) {
  const std::string &kind = word(words, 0);
  if (kind == "status") {
    print_event(person, person.await([&](const Event &event) { return is_status_of(event, word(words, 1)); }));
  } else if (kind == "connection") {
    const auto state = word(words, 1) == "connected" ? tim::ConnectionState::Connected : tim::ConnectionState::Disconnected;
    auto event = person.await(is<tim::ConnectionState>);
    while (event && std::get<tim::ConnectionState>(*event) != state) event = person.await(is<tim::ConnectionState>);
    print_event(person, event);
  } else if (kind == "kicked") {
    print_event(person, person.await(is<Kicked>));
  } else if (kind == "evicted") {
    print_event(person, person.await(is<Evicted>));
  } else {
    broken("awaiting " + kind);
  }
}

/* Skips what is told of a user until it has this custom status. */
void step_until(Person &person, const Words &words) {
  for (;;) {
    const auto event = person.await([&](const Event &candidate) { return is_status_of(candidate, word(words, 0)); });
    if (!event || std::get<tim::UserStatus>(*event).custom_status == word(words, 1)) return print_event(person, event);
    person.seen(std::get<tim::UserStatus>(*event));
  }
}

/* Says what came and nobody awaited. */
void step_quiet(Person &person, const Words &) {
  person.round_trip();
  auto event = person.next();
  if (!event) std::cout << "nothing\n";
  for (; event; event = person.next()) print_event(person, event);
}

/* Drops what came and nobody awaited. */
void step_skip(Person &person, const Words &) {
  person.round_trip();
  while (const auto event = person.next())
    if (const auto *user = std::get_if<tim::UserStatus>(&*event)) person.seen(*user);
  std::cout << "ok\n";
}

using Step = std::function<void(Person &, const Words &)>;

const std::map<std::string, Step> steps = {
    {"login", step_login},
    {"logout", [](Person &person, const Words &) { print_result(person, person.client.logout().get()); }},
    {"set", [](Person &person, const Words &words) { print_result(person, person.client.set_self_status(word(words, 0)).get()); }},
    {"get", [](Person &person, const Words &words) { print_result(person, person.client.user_status(words).get()); }},
    {"subscribe", [](Person &person, const Words &words) { print_result(person, person.client.subscribe(words).get()); }},
    {"unsubscribe", [](Person &person, const Words &words) { print_result(person, person.client.unsubscribe(words).get(), true); }},
    {"unsubscribe-all", [](Person &person, const Words &) { print_result(person, person.client.unsubscribe_all().get()); }},
    {"subscriptions", [](Person &person, const Words &) { print_result(person, person.client.subscriptions().get(), true); }},
    {"friends", [](Person &person, const Words &) { print_result(person, person.client.friends().get(), true); }},
    {"burst", step_burst},
    {"state", step_state},
    {"await", step_await},
    {"until", step_until},
    {"quiet", step_quiet},
    {"skip", step_skip},
    {"close", [](Person &person, const Words &) {
       person.client = tim::Client(); /* ends the one it had */
       std::cout << "ok\n";
     }},
};

void run(const Words &words, const std::string &server, std::uint64_t app) {
  const std::string &name = word(words, 0);
  if (name == "client") {
    people[word(words, 1)] = std::make_unique<Person>(server, app, word(words, 2));
    std::cout << "ok\n";
  } else if (name == "server" || name == "kick") {
    ask(name + ' ' + word(words, 1));
    std::cout << "ok\n";
  } else {
    const auto step = steps.find(name);
    if (step == steps.end()) broken("no such step");
    step->second(person_named(word(words, 1)), Words(std::next(words.begin(), 2), words.end()));
  }
}

} // namespace

int main(int count, char **arguments) {
  if (count != 4) {
    std::cerr << "usage: " << arguments[0] << " STORY ADDRESS APP_ID\n";
    return 2;
  }
  std::ifstream story(arguments[1]);
  if (!story) broken(std::string("cannot read ") + arguments[1]);
  while (std::getline(story, current_step)) {
    if (current_step.compare(0, 2, "##") == 0) std::cout << current_step << '\n';
    if (current_step.empty() || current_step[0] == '#') continue;
    std::cout << "> " << current_step << '\n';
    run(words_of(current_step), arguments[2], std::strtoull(arguments[3], nullptr, 10));
  }
  people.clear();
  return 0;
}
