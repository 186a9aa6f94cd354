// Mistakes that the sanitizers must find: proof that the other programs here are really watched by them.
#include <climits>

#include "check.hpp"

CASE(use_after_free, "a callback that uses what its client does not outlive") {
  Gate entered, may_go_on;
  tim::Server server = tim::Server::start().value();
  tim::Client client = client_of(server);
  auto freed = std::make_unique<int>(1);
  int *dangling = freed.get();
  OK(client.logout([&, dangling](const tim::Result &) {
    entered.open();
    may_go_on.pass();
    *dangling = 2;
  }));
  entered.pass();
  freed.reset();
  may_go_on.open();
}

CASE(overflow, "an undefined addition") {
  volatile int most = INT_MAX;
  most = most + 1;
}

CASE(leak, "what nobody frees") {
  static_cast<void>(new std::string(100, 'x'));
}

MAIN
