# Reads the C header without comments and writes a C source that defines every function it declares: what a C compiler
# makes of that is the ABI as programs see it, without anything of the implementation's. See abi.sh.
BEGIN { RS = ";"; print "#include \"tim_presence.h\"\n" }
/TIM_API/ {
  gsub(/[ \t\n]+/, " ")
  sub(/^.*TIM_API /, "")
  print $0 " { return 0; }"
  count++
}
END { if (count < 30) { print "stub.awk: only " count " functions found" > "/dev/stderr"; exit 1 } }
