# Reads the output of a test run and prints "PASSED FAILED SKIPPED".
#   cargo:        test result: ok. 12 passed; 0 failed; 1 ignored; ...
#   Common Test:  All 12 tests passed.   Skipped 1 (1, 0) tests. Passed 11 tests.   Failed 1 tests. Passed 11 tests.
#   ExUnit:       1 doctest, 2 properties, 12 tests, 1 failure, 1 excluded, 1 skipped   (the first three count all)
#   our scripts:  5 passed, 0 failed
function number_before(word,    part, i) {
    for (i = 1; i < NF; i++) {
        part = $(i + 1)
        gsub(/[^A-Za-z]/, "", part)
        if (part ~ ("^" word)) return $i + 0
    }
    return 0
}
/^test result: / {
    passed += number_before("passed"); failed += number_before("failed"); skipped += number_before("ignored"); next
}
/^All [0-9]+ tests passed/ { passed += $2; next }
/^(Skipped|Failed|Passed) [0-9]+ / && /tests\./ {
    for (i = 1; i < NF; i++) {
        if ($i == "Passed") passed += $(i + 1)
        if ($i == "Failed") failed += $(i + 1)
        if ($i == "Skipped") skipped += $(i + 1)
    }
    next
}
/^[0-9]+ (doctest|propert|test)[a-z]*, .*[0-9]+ failure/ {
    bad = number_before("failure"); left_out = number_before("excluded") + number_before("skipped")
    passed += number_before("doctest") + number_before("propert") + number_before("test") - bad - left_out
    failed += bad; skipped += left_out; next
}
/^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3 }
END { print passed + 0, failed + 0, skipped + 0 }
