package conf

import "testing"

func TestEnv(t *testing.T) {
	lineCases(t, map[string]lineCase{
		"plain":           {"env", "# c\n; c\nPORT=5060\n export B_1=x\nE=\nF= \r\n", "PORT=5060@3:1 3:6\nB_1=x@4:9 4:13\nE=@5:1 5:3\nF=@6:1 6:3\n", ""},
		"quotes":          {"env", "A=\"a b\"\nB='$A\\'\nC=a\"b c\"'d'\nD=\"\\$x\\\"\\q\"\nE=\"\"\nF=a\\ b\n", "A=a b@1:1 1:4\nB=$A\\@2:1 2:4\nC=ab cd@3:1 3:3\nD=$x\"\\q@4:1 4:4\nE=@5:1 5:4\nF=a b@6:1 6:3\n", ""},
		"several lines":   {"env", "A=\"x \\\ny\"\nB=a\\\nb\nC=1\n", "A=x y@1:1 1:4\nB=ab@3:1 3:3\nC=1@5:1 5:3\n", "ambiguous-line@1:3"},
		"crlf":            {"env", "A=\"x\"\r\nB=a\\\r\nb\r\n", "A=x@1:1 1:4\nB=ab@2:1 2:3\n", ""},
		"variables":       {"env", "A=1\nB=$A-${A}x\nC=\"${B} $A\"\nD='$A'\nE=$NONE${A:-5}$$ ${A\nA=2\nF=$A$\n", "A=1@1:1 1:3\nB=1-1x@2:1 2:3\nC=1-1x 1@3:1 3:4\nD=$A@4:1 4:4\nE=$NONE${A:-5}$$ ${A@5:1 5:3\nA=2@6:1 6:3\nF=2$@7:1 7:3\n", "ambiguous-line@5:18"},
		"later variables": {"env", "A=$B\nB=1\nC=$A\n", "A=$B@1:1 1:3\nB=1@2:1 2:3\nC=$B@3:1 3:3\n", ""},
		"adding":          {"env", "A=1\nA+=2\nB=$A\n", "A=1@1:1 1:3\nA+=2@2:1 2:4\nB=12@3:1 3:3\n", ""},
		"comment behind":  {"env", "A=5060 # c\nB=x#y\nC= # c\n", "A=5060@1:1 1:3\nB=x#y@2:1 2:3\nC=@3:1 3:3\n", "ambiguous-line@1:8 ambiguous-line@3:4"},
		"blank behind":    {"env", "A=-p 1 \"-q 2\"\nB=1 C=2\n", "A=-p 1 -q 2@1:1 1:3\nB=1 C=2@2:1 2:3\n", "ambiguous-line@1:6 ambiguous-line@2:5"},
		"blanks around":   {"env", "A = 1\nB= 2\nC =\n", "A=1@1:1 1:5\nB=2@2:1 2:4\nC=@3:1 3:4\n", "ambiguous-line@1:1 ambiguous-line@2:1 ambiguous-line@3:1"},
		"open quote":      {"env", "A=it's\nB='x\nC=1\n", "A=its\nB=x@1:1 1:3\nC=1@3:1 3:3\n", "ambiguous-line@1:5"},
		"never closed":    {"env", "A=\"x\nB=1\n", "A=\"x@1:1 1:3\nB=1@2:1 2:3\n", "ambiguous-line@1:3"},
		"commands":        {"env", ". /etc/x\nsource  y\nif [ -f x ]; then\n=1\nulimit -n 5\nA=1\n", "A=1@6:1 6:3\n", "broken-line@3:1 broken-line@4:1 broken-line@5:1 gap@1:3 gap@2:9"},
		"other names":     {"env", "a.b-c=1\nü=2\n", "a.b-c=1@1:1 1:7\n", "broken-line@2:1"},
	})
}
