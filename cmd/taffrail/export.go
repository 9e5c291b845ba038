package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"taffrail.dev/webhook/live"
)

func newExportCommand() *cobra.Command {
	var cluster clusterFlags
	var namespaces []string
	command := &cobra.Command{
		Use:   "export",
		Short: "Write what decisions depend on in a cluster as one file",

		SuggestFor: []string{"dump", "snapshot", "pull"},
		Long: `Write the Guardrails, Exemptions and Policies of a cluster, and the facts that decisions
depend on, as one file: Namespaces with their labels, LimitRanges, ResourceQuotas,
HorizontalPodAutoscalers, PersistentVolumeClaims and StorageClasses. A pipeline without
access to the cluster then decides as the cluster does:

  taffrail check -c FILE --facts FILE deploy/

The file names the cluster and the time. It contains no Secret and no annotation, and of
each object only what decisions depend on. What you are not permitted to read is listed
in the file, and policies that depend on it report "unknown".

Exit codes:
  0  written
  2  incorrect usage, or the cluster could not be read, in whole or in part`,
		Example: `  taffrail export --context prod > prod.yaml
  taffrail export -n shop,shop-batch > shop.yaml`,
		Args: usage(cobra.NoArgs),
	}
	cluster.add(command)
	command.Flags().StringSliceVarP(&namespaces, "namespace", "n", nil, "export the facts of this namespace only (repeatable; default: all namespaces)")
	command.RunE = func(command *cobra.Command, _ []string) error {
		for _, name := range namespaces {
			if reasons := validation.IsDNS1123Label(name); len(reasons) > 0 {
				return &usageError{fmt.Errorf("--namespace %q: %s", name, strings.Join(reasons, "; "))}
			}
		}
		return export(command, &cluster, namespaces)
	}
	return command
}

func export(command *cobra.Command, cluster *clusterFlags, namespaces []string) error {
	connection, err := cluster.connect()
	if err != nil {
		return err
	}
	reader, err := live.NewReader(connection.config)
	if err != nil {
		return err
	}
	made, err := live.ReadExport(command.Context(), reader, live.ExportOptions{Cluster: connection.cluster, Namespaces: namespaces, Now: time.Now()})
	if err != nil {
		return err
	}
	if err := made.Write(command.OutOrStdout()); err != nil {
		return err
	}
	var unread []error
	for _, missing := range made.Header.Spec.Unread {
		unread = append(unread, &live.UnreadError{Unread: missing})
	}
	return errors.Join(unread...)
}
