package conf

// parseKeyword reads a keyword and its arguments on each line, as sshd_config(5) has
// it: comments begin with "#" at the start of a line or behind a blank (an older OpenSSH
// refuses the latter), the keyword ends at a blank or at one "=", arguments may stand
// in double quotes. "Match" begins a section that runs to the next "Match" or the end of
// the file. "Include" puts other files in its place, inside that section; none of them
// need exist, and relative names start in /etc/ssh.
func parseKeyword(r *reader) *Node {
	return Dialect{Comments: "#", Inline: "#", InlineBlank: true, Delimiters: "=", Blank: true, Bare: BareEmpty, Words: true,
		Quotes: `"`, Opens: []string{"Match"},
		Includes: []Include{{Keyword: "Include", Base: "/etc/ssh", Need: NeedNothing, Inside: true}}}.parse(r)
}

// keywordFormats are the formats of a keyword and words. Each says where its rules are
// from. Values are as written in the words that follow the keyword.
func keywordFormats() []Format {
	return []Format{
		{"keyword", "keyword and words on a line, # comments, Include, Match (sshd_config)", parseKeyword},
		// https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/ and
		// sdssplitargs in https://github.com/redis/redis, src/sds.c. Relative includes start
		// in the working directory of the server, which is not known; the folder of the
		// file is taken.
		{"redis", "keyword and words on a line, # comments, quotes, include (Redis, Sentinel)",
			Dialect{Comments: "#", Blank: true, Bare: BareEmpty, Words: true, Quotes: `"'`, Escapes: "abnrtx",
				Includes: []Include{{Keyword: "include"}}}.parse},
		// https://chrony-project.org/doc/latest/chrony.conf.html. That a file of a later
		// confdir is hidden by one of the same name in an earlier one is not followed.
		{"chrony", "keyword and words on a line; ! ; # and % comments, include, confdir",
			Dialect{Comments: "!;#%", Blank: true, Bare: BareEmpty, Words: true,
				Includes: []Include{{Keyword: "include"}, {Keyword: "confdir", Dir: ".conf", Need: NeedNothing}}}.parse},
		// snmp_config(5): http://www.net-snmp.org/docs/man/snmp_config.html.
		{"snmpd", "keyword and words on a line, # comments, includeFile, includeDir (Net-SNMP)",
			Dialect{Comments: "#", Blank: true, Bare: BareEmpty, Words: true, Quotes: `"'`,
				Includes: []Include{{Keyword: "includeFile"}, {Keyword: "includeDir", Dir: ".conf"}}}.parse},
		// mosquitto.conf(5): https://mosquitto.org/man/mosquitto-conf-5.html. What follows
		// "listener" or "connection" is said about that, so these begin sections.
		{"mosquitto", "keyword and words on a line, # comments, include_dir; listener and connection begin sections",
			Dialect{Comments: "#", Blank: true, Bare: BareEmpty, Words: true, Opens: []string{"listener", "connection"},
				Includes: []Include{{Keyword: "include_dir", Dir: ".conf"}}}.parse},
		// https://www.squid-cache.org/Doc/config/. That a backslash joins lines was seen with
		// 5.7 of Debian 12. What stands between "if" and "endif" is read whatever the condition.
		{"squid", "keyword and words on a line, # comments also behind a blank, \\ continues, include",
			Dialect{Comments: "#", Inline: "#", InlineBlank: true, Blank: true, Bare: BareEmpty, Words: true, Quotes: `"`, Continuation: Backslash,
				Includes: []Include{{Keyword: "include"}}}.parse},
		// dnsmasq(8): https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html. Inside quotes a
		// backslash stands before what it gives a meaning, and "#" begins no comment.
		{"dnsmasq", "option or option=value, # comments also behind a blank, conf-file, conf-dir",
			Dialect{Comments: "#", Inline: "#", InlineBlank: true, Delimiters: "=", Bare: BareTrue, Words: true, Quotes: `"`, Escapes: "bnrt",
				Includes: []Include{{Keyword: "conf-file", Base: "/"}, {Keyword: "conf-dir", Base: "/", Endings: true}}}.parse},
	}
}
