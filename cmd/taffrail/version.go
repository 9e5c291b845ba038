package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of taffrail and of what it is built on",
		Args:  usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(command.OutOrStdout(), versionText())
			return err
		},
	}
}

// versionText returns the information that the Go command embeds into a binary. A test binary has
// none.
func versionText() string {
	text := "taffrail (unknown version)\n"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			text = "taffrail " + info.Main.Version + "\n"
		}
		for _, dependency := range info.Deps {
			switch dependency.Path {
			case "github.com/open-policy-agent/opa", "k8s.io/apimachinery":
				text += fmt.Sprintf("%s %s\n", dependency.Path, dependency.Version)
			}
		}
	}
	return text + fmt.Sprintf("%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// version returns the version of a release or commit, or "" if the binary contains neither.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "(devel)" {
		return ""
	}
	return info.Main.Version
}
