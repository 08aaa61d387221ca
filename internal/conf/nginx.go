package conf

import (
	"bytes"
	"path"
	"strings"
)

// parseNginx reads the configuration of nginx and of what is written like it (SRS):
//
//   - "listen 80 ssl;" is a setting: Name listen, Args 80 and ssl.
//   - "server { … }" is a section, "location / { … }" one with Args; blocks nest.
//   - "include conf.d/*.conf;" puts the files in its place. Patterns are relative to the
//     directory of the document, not to that of the including file.
//
// Comments begin with "#" where a word may begin. Words may stand in " or '; \", \', \\
// and \t \r \n are escapes in all of them. A ${name} inside a word opens no block. Blocks
// whose name ends in "_by_lua_block" hold Lua and have no children.
//
// https://nginx.org/en/docs/beginners_guide.html#conf_structure, ngx_conf_file.c
// (ngx_conf_read_token); https://github.com/openresty/lua-nginx-module
func parseNginx(r *reader) *Node {
	root := &Node{Kind: Section}
	p := &blocks{parts: newParts(r), strict: true, dir: path.Dir(r.file.Path), raw: isLua, end: luaEnd, rules: &tokenRules{
		marks: []string{";", "{", "}"}, ends: ";{", quotes: `"'`, comments: []string{"#"}, bare: true, unescape: nginxUnescape,
	}}
	p.file(r.file, root)
	return root
}

// nginxUnescape is what ngx_conf_read_token makes of a word. A backslash in front of
// any other byte stays.
func nginxUnescape(s string) string {
	return unescape(s, `"'\trn`, "\"'\\\t\r\n", nil)
}

func isLua(name string) bool { return strings.HasSuffix(name, "_by_lua_block") }

// luaEnd is the place behind the brace that closes the Lua block whose content begins at
// i, -1 when there is none. Braces in strings and comments do not count (Lua 5.1
// reference manual, 2.1).
func luaEnd(text []byte, i int) int {
	for depth := 1; i < len(text); {
		switch c := text[i]; {
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case c == '"' || c == '\'':
			for i++; i < len(text) && text[i] != c && text[i] != '\n'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case hasPrefix(text[i:], "--"):
			if end := luaLong(text, i+2); end > 0 {
				i = end
				continue
			}
			n := bytes.IndexByte(text[i:], '\n')
			if n < 0 {
				return -1
			}
			i += n
		case c == '[':
			if end := luaLong(text, i); end > 0 {
				i = end
				continue
			}
		}
		i++
	}
	return -1
}

// luaLong is the place behind the long bracket at i, [[ … ]] or [==[ … ]==], 0 when
// there is none.
func luaLong(text []byte, i int) int {
	if i >= len(text) || text[i] != '[' {
		return 0
	}
	level := i + 1
	for level < len(text) && text[level] == '=' {
		level++
	}
	if level >= len(text) || text[level] != '[' {
		return 0
	}
	end := "]" + string(text[i+1:level]) + "]"
	n := bytes.Index(text[level:], []byte(end))
	if n < 0 {
		return len(text)
	}
	return level + n + len(end)
}
