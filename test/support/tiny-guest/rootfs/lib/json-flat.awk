# Prints a JSON document as lines path=value: {"a":[{"b":1}]} becomes a.0.b=1.
{ text = text $0 " " }

END {
  depth = 0
  while (length(text) > 0) {
    if (match(text, /^[ \t\r]+/)) {
      text = substr(text, RLENGTH + 1)
      continue
    }
    if (match(text, /^"([^"\\]|\\.)*"/) || match(text, /^[-+.A-Za-z0-9]+/)) {
      token = substr(text, 1, RLENGTH)
      text = substr(text, RLENGTH + 1)
      gsub(/^"|"$/, "", token)
      if (text ~ /^[ \t\r]*:/ && kind[depth] == "{") {
        name[depth] = token
        sub(/^[ \t\r]*:/, "", text)
      } else {
        path = ""
        for (i = 1; i <= depth; i++) path = path (i > 1 ? "." : "") name[i]
        print path "=" token
      }
      continue
    }
    mark = substr(text, 1, 1)
    text = substr(text, 2)
    if (mark == "{" || mark == "[") {
      depth++
      kind[depth] = mark
      name[depth] = mark == "[" ? 0 : ""
    } else if (mark == "}" || mark == "]") {
      depth--
    } else if (mark == "," && kind[depth] == "[") {
      name[depth]++
    }
  }
}
