package request_test

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/test/golden"
	"taffrail.dev/webhook/request"
)

// TestZonesAreGos compares zones.txt with the database from which time/tzdata is generated.
func TestZonesAreGos(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	database, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	var names []string
	for _, file := range database.File {
		if !strings.HasSuffix(file.Name, "/") {
			names = append(names, file.Name)
		}
	}
	slices.Sort(names)
	want := strings.Join(names, "\n") + "\n"
	if golden.Updating() {
		if err := os.WriteFile("zones.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("Go's database has changed: run this test with -update (-want +got):\n%s", diff)
	}
	for _, name := range names {
		if _, err := time.LoadLocation(name); err != nil {
			t.Error(err)
		}
		if got := zonesOf(t, "@daily", name); !slices.Equal(got, []string{name}) {
			t.Errorf("%s: zones are %q", name, got)
		}
	}
}

func zonesOf(t *testing.T, schedule string, timeZone any) []string {
	t.Helper()
	r, err := request.Manifest(map[string]any{
		"apiVersion": "batch/v1", "kind": "CronJob", "metadata": map[string]any{"name": "c"},
		"spec": map[string]any{"schedule": schedule, "timeZone": timeZone},
	}, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return r.Schedule.Zones
}

func TestZonesThatDoNotExist(t *testing.T) {
	for _, zone := range []any{
		"", "Local", "local", "PST", "PDT", "CEST", "IST", "KST", "BST", "GMT+1", "UTC+9", "+09:00", "Mars/Olympus", "Asia", "Asia/",
		"asia/seoul", "ASIA/SEOUL", "utc", "Asia/Seoul ", " Asia/Seoul", "Asia/Seoul\n", "/Asia/Seoul", "Asia//Seoul", "Europe/../UTC",
		"posix/Asia/Seoul", "right/UTC", "localtime", "posixrules", "zone.tab", "tzdata.zi", "US/Pacific-New", nil, int64(9), true, []any{"UTC"},
	} {
		if got := zonesOf(t, "@daily", zone); len(got) > 0 {
			t.Errorf("%q: zones are %q", zone, got)
		}
	}
}

func TestZonesOfScheduleAndField(t *testing.T) {
	for _, test := range []struct {
		schedule string
		timeZone any
		want     []string
	}{
		{"TZ=Asia/Seoul 0 9 * * *", nil, []string{"Asia/Seoul"}},
		{"TZ=Asia/Seoul 0 9 * * *", "Etc/UTC", []string{"Asia/Seoul", "Etc/UTC"}},
		{"CRON_TZ=UTC 0 9 * * *", "UTC", []string{"UTC"}},
		{"CRON_TZ=PST 0 9 * * *", "US/Pacific", []string{"US/Pacific"}},
		{"TZ=Local 0 9 * * *", "Local", nil},
		{"TZ= 0 9 * * *", "", nil},
	} {
		if diff := cmp.Diff(test.want, zonesOf(t, test.schedule, test.timeZone)); diff != "" {
			t.Errorf("%s, %v (-want +got):\n%s", test.schedule, test.timeZone, diff)
		}
	}
}
