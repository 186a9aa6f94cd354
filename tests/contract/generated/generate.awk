# Writes C from include/tim_presence.h and rules.txt:  awk -v part=functions|cases -f generate.awk rules.txt header
#
# functions: a wrapper `call_NAME(Arguments *)` of every function, and the table `every_function`.
# cases:     for every function its wrong calls, one CASE each for NULL, UTF-8, handles, fork and states.
# What has no rule, and a rule that fits nothing, is said on standard error and makes the exit status 1; what has rules
# is written all the same.

function trim(text) {
    gsub(/^[ \t\n]+|[ \t\n]+$/, "", text)
    return text
}

function complain(text) {
    print "generate.awk: " text > "/dev/stderr"
    complaints++
}

# ---- the rules ----

FNR == 1 { file_number++ }

file_number == 1 {
    if ($0 ~ /^#/ || trim($0) == "") next
    field_count = split($0, part_of_line, "|")
    for (i = 1; i <= field_count; i++) part_of_line[i] = trim(part_of_line[i])
    kind = part_of_line[1]
    if (kind == "parameter" && field_count == 3) {
        field_of[part_of_line[2]] = part_of_line[3]
    } else if (kind == "vary" && field_count == 6) {
        vary_count++
        vary_function[vary_count] = part_of_line[2]
        vary_parameter[vary_count] = part_of_line[3]
        vary_category[vary_count] = part_of_line[4]
        vary_change[vary_count] = part_of_line[5]
        vary_answer[vary_count] = part_of_line[6]
        own_rules[part_of_line[2], part_of_line[3], part_of_line[4]]++
    } else if (kind == "state" && field_count == 7) {
        needs[part_of_line[2]] = part_of_line[3]
        state_new[part_of_line[2]] = part_of_line[4]
        state_logging_in[part_of_line[2]] = part_of_line[5]
        state_closing[part_of_line[2]] = part_of_line[6]
        state_inside[part_of_line[2]] = part_of_line[7]
    } else {
        complain("rules.txt:" FNR ": not a rule: " $0)
    }
    next
}

# ---- the header ----

/^[ \t]*#/ { next }
{ header = header $0 "\n" }

function strip_comments(text,    from, to, rest) {
    while ((from = index(text, "/*")) > 0) {
        rest = substr(text, from + 2)
        to = index(rest, "*/")
        text = substr(text, 1, from - 1) " " substr(rest, to + 2)
    }
    return text
}

# Fills names[], returns[], parameter_count[], type_of[], name_of[].
function read_declarations(    pieces, piece_count, i, text, open, list, count, j, parameter) {
    piece_count = split(strip_comments(header), pieces, ";")
    for (i = 1; i <= piece_count; i++) {
        text = pieces[i]
        if (text !~ /TIM_API/) continue
        sub(/^.*TIM_API/, "", text)
        gsub(/[ \t\n]+/, " ", text)
        open = index(text, "(")
        if (open == 0 || !match(text, /tim[A-Za-z0-9_]*\(/)) {
            complain("not understood: " text)
            continue
        }
        function_count++
        names[function_count] = substr(text, RSTART, RLENGTH - 1)
        returns[function_count] = trim(substr(text, 1, RSTART - 1))
        list = substr(text, open + 1)
        sub(/\)[^)]*$/, "", list)
        count = trim(list) == "void" || trim(list) == "" ? 0 : split(list, parameters, ",")
        parameter_count[function_count] = count
        for (j = 1; j <= count; j++) {
            parameter = trim(parameters[j])
            sub(/struct /, "", parameter)
            match(parameter, /[A-Za-z_0-9]+$/)
            name_of[function_count, j] = substr(parameter, RSTART)
            type_of[function_count, j] = trim(substr(parameter, 1, RSTART - 1))
            whole_of[function_count, j] = parameter
        }
    }
}

# ---- what is written ----

function write_wrapper(f,    j, list, call) {
    list = ""
    for (j = 1; j <= parameter_count[f]; j++) {
        if (!(whole_of[f, j] in field_of)) {
            complain(names[f] ": no rule for the parameter \"" whole_of[f, j] "\"")
            return 0
        }
        parameter_used[whole_of[f, j]] = 1
        list = list (j == 1 ? "" : ", ") "a->" field_of[whole_of[f, j]]
    }
    call = names[f] "(" list ")"
    if (part == "functions") {
        print "static int32_t call_" names[f] "(Arguments *a) {"
        print "    (void)a;"
        if (returns[f] == "int32_t") print "    return " call ";"
        else if (returns[f] == "const char *") print "    return is_a_text(" call ");"
        else complain(names[f] ": no rule for a function that returns " returns[f])
        print "}\n"
    }
    return 1
}

function is_pointer(type) { return type ~ /\*/ || type ~ /Fn$/ }
function is_text(type) { return type == "const char *" || type == "const char *const *" }

# The calls of one category; their number.
function write_varied(f, category,    j, v, wanted, found, written, opened) {
    opened = 0
    for (j = 1; j <= parameter_count[f]; j++) {
        if (category == "null" ? !is_pointer(type_of[f, j]) : !is_text(type_of[f, j])) continue
        wanted = ((names[f], name_of[f, j], category) in own_rules) ? names[f] : "*"
        found = 0
        for (v = 1; v <= vary_count; v++) {
            if (vary_function[v] != wanted || vary_parameter[v] != name_of[f, j] || vary_category[v] != category) continue
            found++
            vary_used[v] = 1
            if (part != "cases") continue
            if (!opened++) print "CASE(" names[f] "_" category ", \"" (category == "null" ? "each pointer NULL" : "each text malformed") "\") {"
            print "    VARY" (category == "utf8" ? "_UTF8" : "") "(" names[f] ", " name_of[f, j] ", " vary_change[v] ", " vary_answer[v] ");"
        }
        if (found == 0) complain(names[f] ": no " category " rule for the parameter \"" whole_of[f, j] "\"")
    }
    if (opened) print "}\n"
}

function write_states(f,    name, answers) {
    name = names[f]
    print "CASE(" name "_states, \"before a login, during one, while it closes\") {"
    split(state_new[name], answers, ",")
    print "    STATE_NEW(" name ", " answers[1] "," (trim(answers[2]) == "-" ? " NO_RESULT" : answers[2]) ");"
    if (needs[name] == "thread" || needs[name] == "poll") {
        split(state_logging_in[name], answers, ",")
        print "    STATE_LOGGING_IN(" name ", " answers[1] "," (trim(answers[2]) == "-" ? " NO_RESULT" : answers[2]) ");"
        print "    STATE_CLOSING(" name ", " state_closing[name] ");"
    }
    print "}\n"
}

function write_handles(f,    j) {
    for (j = 1; j <= parameter_count[f]; j++) {
        if (type_of[f, j] != "TimClient" && type_of[f, j] != "TimServer") continue
        print "CASE(" names[f] "_handles, \"zero, made up, stale, of the other kind\") {"
        print "    HANDLES(" names[f] ", " name_of[f, j] ");"
        print "}\n"
        print "CASE(" names[f] "_forked, \"an inherited handle in a forked child\") {"
        print "    INHERITED(" names[f] ");"
        print "}\n"
    }
}

# What a function that is accepted calls back with.
function gives(f,    j, list) {
    list = "0"
    for (j = 1; j <= parameter_count[f]; j++) {
        if (type_of[f, j] == "TimResultFn") list = list " | GIVES_RESULT"
        if (type_of[f, j] == "TimFreeFn") list = list " | FREES"
        if (type_of[f, j] == "TimClosedFn") list = list " | TELLS_CLOSED"
    }
    return list
}

END {
    read_declarations()
    if (function_count == 0) complain("the header declares no function")
    print "/* Generated by tests/contract/generated/generate.awk; do not edit. */"
    for (f = 1; f <= function_count; f++) {
        known[names[f]] = 1
        if (!(names[f] in needs)) {
            complain(names[f] ": no state rule for this function")
            continue
        }
        if (!write_wrapper(f)) continue
        complete[f] = 1
        write_varied(f, "null")
        write_varied(f, "utf8")
        if (part == "cases") {
            write_handles(f)
            write_states(f)
        }
    }
    if (part == "functions") {
        print "static const Function every_function[] = {"
        for (f = 1; f <= function_count; f++)
            if (f in complete) print "    {\"" names[f] "\", call_" names[f] ", NEEDS_" needs[names[f]] ", " state_inside[names[f]] ", " gives(f) "},"
        print "};"
    }
    for (name in needs) if (!(name in known)) complain("rules.txt: a state of " name ", which the header does not have")
    for (whole in field_of) if (!(whole in parameter_used)) complain("rules.txt: no function has the parameter \"" whole "\"")
    for (v = 1; v <= vary_count; v++)
        if (!(v in vary_used)) complain("rules.txt: the rule for " vary_parameter[v] " of " vary_function[v] " fits nothing: " vary_change[v])
    exit complaints > 0
}
