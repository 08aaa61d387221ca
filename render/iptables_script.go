package render

import (
	"sync"
	"text/template"
)

// The second form of the iptables text: one POSIX shell script with the restore files and
// the sets in here-documents. What a policy says stands in them and in comment lines at the
// top; the program around them is the same for every policy, and verify knows its hash.

var iptScriptTemplate = sync.OnceValue(func() *template.Template { return parsed("iptables-script.tmpl", iptQuoting()) })

// iptScript is what the template prints.
type iptScript struct {
	head
	V4, V6, Sets string
}

func writeIptablesScript(j *job) ([]Output, error) {
	files, sets := j.iptables()
	script := iptScript{head: j.head}
	for _, part := range []struct {
		into *string
		name string
		data any
	}{{&script.V4, "tables", files[0]}, {&script.V6, "tables", files[1]}, {&script.Sets, "sets", sets.Sets}} {
		text, err := executeNamed(iptTemplate(), part.name, part.data)
		if err != nil {
			return nil, err
		}
		*part.into = string(text)
	}
	data, err := execute(iptScriptTemplate(), &script)
	return []Output{{Name: "portolan-iptables.sh", Data: data, Program: true}}, err
}
