package conf

// iniFormats are the formats of sections and settings. Each says where its rules are from.
func iniFormats() []Format {
	return []Format{
		// https://docs.gtk.org/glib/struct.KeyFile.html; lists are separated by ";".
		{"ini", "sections, key = value, # comments, ; is data (GLib, rtpengine)",
			Dialect{Comments: "#", Delimiters: "=", Sections: true}.parse},
		// PTLib's PConfig: https://github.com/willamowius/ptlib, src/ptlib/unix/config.cxx.
		{"gnugk", "[A::B] sections, key=value, ; and # comments (GNU Gatekeeper)",
			Dialect{Comments: ";#", Delimiters: "=", Sections: true}.parse},
		// https://www.boost.org/doc/libs/release/doc/html/property_tree/parsers.html; its
		// reader takes "#" for a comment too, which the manual does not say.
		{"boost-ini", "[a.b] sections, key=value, ; comments (Kurento)",
			Dialect{Comments: ";#", Delimiters: "=", Sections: true}.parse},
		// https://github.com/dlintw/goconf.
		{"go-ini", "sections, key = value or key: value, # and ; comments, also behind a blank (Go's goconf)",
			Dialect{Comments: "#;", Inline: "#;", InlineBlank: true, Delimiters: "=:", Sections: true}.parse},
		// https://dev.mysql.com/doc/refman/8.4/en/option-files.html. An included file
		// begins outside every group, and the group of the outer file goes on behind it.
		{"mysql", "[group], key = value or key alone, # comments anywhere, !include (MySQL, MariaDB)",
			Dialect{Comments: "#;", Inline: "#", Delimiters: "=", Sections: true, SectionFirst: true, Bare: BareTrue,
				Quotes: `'"`, Escapes: "bnrst", EscapeKeep: true, EscapeBare: true,
				Includes: []Include{{Keyword: "!include"}, {Keyword: "!includedir", Dir: ".cnf"}}}.parse},
		// https://github.com/coturn/coturn, examples/etc/turnserver.conf and mainrelay.c.
		{"coturn", "key=value, the delimiter is any row of = and blanks, a key alone is true, # comments",
			Dialect{Comments: "#", Delimiters: "=", Blank: true, Run: true, Bare: BareTrue, Quotes: `"`}.parse},
		// https://github.com/resiprocate/resiprocate, rutil/ConfigParse.cxx.
		{"resiprocate", "key = value, # comments (repro, reTurn, reConServer)",
			Dialect{Comments: "#", Delimiters: "="}.parse},
		// https://github.com/voipmonitor/sniffer, config_param.cpp, which reads with SimpleIni.
		{"voipmonitor", "[general], key = value, # and ; comments at the start of a line",
			Dialect{Comments: "#;", Delimiters: "=", Sections: true}.parse},
		// https://github.com/sems-server/sems, core/AmConfigReader.cpp, which ends a value
		// without quotes at its first blank; here the value is all of it.
		{"sems", "key=value, # comments anywhere outside quotes, @file includes, ; separates lists",
			Dialect{Comments: "#", Inline: "#", Delimiters: "=", Quotes: `"`, Includes: []Include{{Keyword: "@"}}}.parse},
		// https://wiki.linphone.org/xwiki/wiki/public/view/Flexisip/. That a backslash
		// continues a line is unverified.
		{"flexisip", "[module::X] sections, key=value, # comments, backslash continues",
			Dialect{Comments: "#", Delimiters: "=", Sections: true, Continuation: Backslash}.parse},
		// https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/Properties.html.
		// Blanks at the end, which belong to the value there, are dropped here, as the
		// readers of ports and addresses drop them.
		{"properties", "Java properties: key=value, key: value or key value, # and ! comments",
			Dialect{Comments: "#!", Delimiters: "=:", Blank: true, Bare: BareEmpty, Escapes: "fnrtu", EscapeBare: true,
				Continuation: Backslash}.parse},
		// https://github.com/Kyorai/cuttlefish, src/conf_parse.peg.
		{"cuttlefish", "a.b.c = value, # comments anywhere, '...' quotes (RabbitMQ)",
			Dialect{Comments: "#", Inline: "#", Delimiters: "=", Quotes: "'", Includes: []Include{{Keyword: "include"}}}.parse},
		// https://www.postgresql.org/docs/current/config-setting.html.
		{"postgresql", "key = 'value' or key value, # comments anywhere outside quotes",
			Dialect{Comments: "#", Inline: "#", Delimiters: "=", Blank: true, Quotes: "'", Doubled: true, Escapes: "bfnrto",
				Includes: []Include{{Keyword: "include"}, {Keyword: "include_if_exists", Need: NeedNothing},
					{Keyword: "include_dir", Dir: ".conf"}}}.parse},
	}
}
