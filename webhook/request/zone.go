package request

import (
	_ "embed"
	"strings"
	"sync"
)

// zoneNames is what is in time/tzdata, which is linked into the API server. time.LoadLocation
// would ask this machine's files first, and they differ: some have posix/Asia/Seoul as well,
// some lack US/Pacific, and some find asia/seoul.
//
//go:embed zones.txt
var zoneNames string

var zones = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.Lines(zoneNames) {
		names[strings.TrimSuffix(name, "\n")] = true
	}
	return names
})

// zoneExists reports whether the API server takes a timeZone. Local and the empty name, which
// time.LoadLocation knows, are refused there, and no zone has such a name.
func zoneExists(name string) bool { return zones()[name] }
