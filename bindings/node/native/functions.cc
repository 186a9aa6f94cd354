#include "functions.h"

#include <dlfcn.h>

#include <mutex>

namespace tim_node {

Functions tim;

namespace {

std::string look_up(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char *why = dlerror();
    return std::string("cannot load libtim_presence: ") + (why == nullptr ? path : why);
  }
  Functions found;
#define TIM_LOOK_UP(name)                                                                                              \
  found.name = reinterpret_cast<decltype(&::name)>(dlsym(library, #name));                                             \
  if (found.name == nullptr) return std::string(path) + " has no function " #name ": it is not libtim_presence " TIM_VERSION_STRING " or newer";
  TIM_FUNCTIONS(TIM_LOOK_UP)
#undef TIM_LOOK_UP
  if (found.timCheckAbi(TIM_ABI_MAJOR, TIM_ABI_MINOR) != TIM_OK) {
    char text[512];
    if (found.timLastErrorMessage(text, sizeof text, nullptr) != TIM_OK) text[0] = '\0';
    return std::string(path) + " does not fit this package, which is made for " TIM_VERSION_STRING ": " + text;
  }
  tim = found;
  return "";
}

} // namespace

std::string load(const char *path) {
  // Worker threads load the package, too.
  static std::mutex mutex;
  static bool loaded = false;
  const std::lock_guard<std::mutex> lock(mutex);
  if (loaded) return "";
  std::string wrong = look_up(path);
  loaded = wrong.empty();
  return wrong;
}

} // namespace tim_node
