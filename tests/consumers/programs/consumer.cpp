// The same as consumer.c, with the header for C++:  consumer_cpp ADDRESS APP USER USERSIG
#include <iostream>
#include <string>
#include <tim_presence.hpp>

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  try {
    tim::ClientOptions options;
    options.server = argv[1];
    options.sdk_app_id = std::stoull(argv[2]);
    auto client = tim::Client::create(options).value();
    client.login(argv[3], argv[4]).get().or_throw();
    client.set_self_status("linked").get().or_throw();
    const tim::Result answer = client.user_status({argv[3]}).get();
    for (const tim::UserStatus &user : answer.items)
      std::cout << "C++: " << user.user_id << " is " << static_cast<int>(user.status) << " \"" << user.custom_status << "\"\n";
    client.logout().get().or_throw();
  } catch (const std::exception &failure) {
    std::cerr << failure.what() << '\n';
    return 1;
  }
}
