package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/cobra"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"taffrail.dev/charts"
)

const (
	// crdManager is the field manager of the applied CRDs.
	crdManager = "taffrail"
	// establishTimeout limits the time that the API server may take to serve a CRD.
	establishTimeout = time.Minute
)

func newCRDsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "crds",
		Short: "Print the CustomResourceDefinitions of this version, or apply them",
		Long: `Print the CustomResourceDefinitions of Guardrail, Exemption and Policy for this version
of taffrail. Helm installs the CRDs of a chart once and never updates them, so the chart
runs "taffrail crds apply" before each upgrade.`,
		Args: onlySubcommands,
		RunE: func(command *cobra.Command, _ []string) error { return printCRDs(command.OutOrStdout()) },
	}
	command.AddCommand(newCRDsApplyCommand())
	return command
}

func newCRDsApplyCommand() *cobra.Command {
	var cluster clusterFlags
	var entries string
	command := &cobra.Command{
		Use:   "apply",
		Short: "Apply them to the cluster, and wait until they are served",
		Long: `Update the cluster's CustomResourceDefinitions to those of this version. Guardrails,
Exemptions and Policies do not change.

With --webhook-entries, it then adds missing entries of this version to an existing
ValidatingWebhookConfiguration, with the caBundle of the other entries: without a
caBundle, an entry that fails closed would reject every request.

Exit codes:
  0  applied and served
  2  incorrect usage, or they could not be applied`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			if err := applyCRDs(command.Context(), &cluster, command.OutOrStdout()); err != nil || entries == "" {
				return err
			}
			return addEntries(command.Context(), &cluster, entries, command.OutOrStdout())
		},
	}
	cluster.add(command)
	command.Flags().StringVar(&entries, "webhook-entries", "", "the new ValidatingWebhookConfiguration, as YAML")
	return command
}

// eachCRD calls do with the text of each CRD.
func eachCRD(do func(text []byte) error) error {
	return fs.WalkDir(charts.CRDs, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := charts.CRDs.ReadFile(path)
		if err != nil {
			return err
		}
		return do(text)
	})
}

func printCRDs(w io.Writer) error {
	return eachCRD(func(text []byte) error {
		_, err := w.Write(text)
		return err
	})
}

func applyCRDs(ctx context.Context, cluster *clusterFlags, w io.Writer) error {
	client, err := cluster.dynamicClient()
	if err != nil {
		return err
	}
	crds := client.Resource(schema.GroupVersionResource{
		Group: apiextensionsv1.GroupName, Version: "v1", Resource: "customresourcedefinitions",
	})
	return eachCRD(func(text []byte) error {
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(text, &object.Object); err != nil {
			return err
		}
		// Force the apply: Helm owns the fields since the installation.
		applied, err := crds.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: crdManager, Force: true})
		if err != nil {
			return fmt.Errorf("applying %s: %w", object.GetName(), err)
		}
		if err := waitEstablished(ctx, crds, applied); err != nil {
			return fmt.Errorf("waiting for the API server to serve %s: %w", object.GetName(), err)
		}
		_, err = fmt.Fprintf(w, "customresourcedefinition.apiextensions.k8s.io/%s applied\n", object.GetName())
		return err
	})
}

// waitEstablished waits for the condition Established. If the API server reports the generation
// of the condition, it must be that of the applied CRD.
func waitEstablished(ctx context.Context, crds dynamic.ResourceInterface, applied *unstructured.Unstructured) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, time.Second/2, establishTimeout, true, func(ctx context.Context) (bool, error) {
		object, err := crds.Get(ctx, applied.GetName(), metav1.GetOptions{})
		if err != nil {
			last = err
			return false, nil //nolint:nilerr // the API server may come back
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, crd); err != nil {
			return false, err
		}
		last = errNotEstablished
		return slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue &&
				(c.ObservedGeneration == 0 || c.ObservedGeneration >= applied.GetGeneration())
		}), nil
	})
	if wait.Interrupted(err) && last != nil {
		return last
	}
	return err
}

var errNotEstablished = errors.New("it is not established")
