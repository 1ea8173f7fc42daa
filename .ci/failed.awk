# Of the output of go test -v: what failed tests said, and every data race and
# panic. Of one test the last lines count, of a panic the first.
BEGIN { most = 200; width = 2000 }

function forget() {
  split("", line); split("", owner); split("", size); split("", failed)
  n = 0; test = ""; panicking = 0
}

function show(  i, place, nth) {
  for (i = 1; i <= n; i++) {
    place = owner[i]
    nth[place]++
    if (place == "panic" ? nth[place] <= most : (place == "" || place == "race" || failed[place]) && nth[place] > size[place] - most)
      print substr(line[i], 1, width)
  }
}

/^=== (RUN|NAME|CONT|PAUSE) / { test = $3 }
/^ *--- (FAIL|PASS|SKIP): / { test = $3; if ($2 == "FAIL:") failed[test] = 1 }
/^(panic:|fatal error:|SIG[A-Z]+:)/ { panicking = 1 }
/^WARNING: DATA RACE/ { racing = 1 }

{
  line[++n] = $0
  owner[n] = panicking ? "panic" : racing ? "race" : test
  size[owner[n]]++
}

/^==================$/ { racing = 0 }
/^(ok  |\?   )\t/ { forget() }
/^FAIL\t/ { show(); forget() }
END { show() }
