# The Python package: its tests, its types, its first program, the story, the wheel and who consumes it. Label: python.
# Included by tests/CMakeLists.txt. All run in one environment, made by the first (bindings/python/check.sh).
set(PYTHON_CHECK "${ROOT}/bindings/python/check.sh")
set(PYTHON_VENV "${CMAKE_BINARY_DIR}/python/venv")

function(python_test name seconds)
  add_test(NAME python.${name} COMMAND sh "${PYTHON_CHECK}" "${PYTHON_VENV}" "${TIM_LIBRARY}" ${ARGN})
  set_tests_properties(python.${name} PROPERTIES LABELS python TIMEOUT ${seconds} SKIP_RETURN_CODE 77)
endfunction()

python_test(venv 600 venv)
set_tests_properties(python.venv PROPERTIES FIXTURES_SETUP python_venv)
# The rows of the package's tests that take long are tests of their own, beside the others.
python_test(tests 300 tests --ignore=tests/test_lifetime.py)
python_test(lifetime 600 tests tests/test_lifetime.py)
python_test(types 300 types)
python_test(oldest 120 oldest)
python_test(first_programs 120 first)
scenario_test(python sh "${PYTHON_CHECK}" "${PYTHON_VENV}" "${TIM_LIBRARY}" run "${ROOT}/tests/scenario/python/main.py")
set_tests_properties(python.tests python.lifetime python.types python.oldest python.first_programs scenario.python
  PROPERTIES FIXTURES_REQUIRED python_venv)

# The wheel of an unoptimised library: the optimised one is `make wheel`'s, and takes minutes.
get_filename_component(target_dir "${TIM_PROFILE_DIR}" DIRECTORY)
set(WHEEL_DIR "${CMAKE_BINARY_DIR}/python/wheel")
python_test(wheel 1800 wheel dev "${WHEEL_DIR}")
set_tests_properties(python.wheel PROPERTIES ENVIRONMENT "CARGO_TARGET_DIR=${target_dir}" FIXTURES_REQUIRED python_venv FIXTURES_SETUP python_wheel)
add_test(NAME consumers.wheel COMMAND sh "${PYTHON_CHECK}" "${PYTHON_VENV}" "${TIM_LIBRARY}" consumer "${WHEEL_DIR}" "${CMAKE_BINARY_DIR}/python/consumer")
set_tests_properties(consumers.wheel PROPERTIES LABELS consumers TIMEOUT 600 SKIP_RETURN_CODE 77 FIXTURES_REQUIRED "python_venv;python_wheel")
