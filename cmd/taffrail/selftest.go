package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
)

const (
	configWebhook = "config.taffrail.dev"
	// selfTestPolicy can never exist: the ID of a policy does not contain dots.
	selfTestPolicy = "no.such.policy"
)

// errNoAnswer is returned if the API server, or a webhook that it calls, does not respond.
var errNoAnswer = errors.New("the API server did not answer in time: it may be waiting for Taffrail; raise --timeout")

// errNotCalled is returned if the API server admits what Taffrail refuses.
var errNotCalled = errors.New(`the API server did not call Taffrail: it admitted a Guardrail that binds a policy that does not exist.
Check "kubectl get validatingwebhookconfigurations", the Pods of Taffrail, and whether the API server can reach the webhook port of the Pods (9443 by default)`)

func newSelfTestCommand() *cobra.Command {
	var cluster clusterFlags
	var timeout time.Duration
	var reached bool
	command := &cobra.Command{
		Use:   "selftest",
		Short: "Test that the API server reaches Taffrail, without changing anything",
		Long: `Create, as a dry run, a Guardrail that binds a policy that does not exist. Taffrail
denies it regardless of --max-mode, so the denial proves that the whole path works: API
server, Service, certificate, Taffrail. Nothing is changed.

With --reached, it also reads the condition Reached of every Guardrail and Policy, which
reports whether the webhook configurations send everything that is bound.

Exit codes:
  0  Taffrail denied it, and everything that is bound is sent
  2  Taffrail did not deny it, the API server is unavailable, or something is not sent`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			if err := selfTest(command.Context(), &cluster, timeout, command.OutOrStdout()); err != nil || !reached {
				return err
			}
			client, err := cluster.dynamicClient()
			if err != nil {
				return err
			}
			return testReached(command.Context(), client, timeout, command.OutOrStdout())
		},
	}
	cluster.add(command)
	command.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait")
	command.Flags().BoolVar(&reached, "reached", false, "also fail if the API server does not send everything that Guardrails bind")
	return command
}

func selfTest(ctx context.Context, cluster *clusterFlags, timeout time.Duration, w io.Writer) error {
	client, err := cluster.dynamicClient()
	if err != nil {
		return err
	}
	guardrails := client.Resource(schema.GroupVersionResource{
		Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "guardrails",
	})
	// After the deadline, the error would only say that it has passed. Keep the previous one.
	deadline, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var refusal string
	last := errNoAnswer
	wait.UntilWithContext(deadline, func(attempt context.Context) {
		said, err := createInvalidGuardrail(attempt, guardrails)
		if attempt.Err() != nil {
			return
		}
		refusal, last = said, err
		// Retrying does not help against RBAC.
		if err == nil || apierrors.IsForbidden(err) {
			cancel()
		}
	}, time.Second)
	if last != nil {
		return last
	}
	_, err = fmt.Fprintf(w, "Taffrail answers: the API server sent it an invalid Guardrail, and it returned\n%s\n", refusal)
	return err
}

// createInvalidGuardrail returns the message with which the request is denied.
func createInvalidGuardrail(ctx context.Context, guardrails dynamic.ResourceInterface) (string, error) {
	nonsense := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion().String(), "kind": config.KindGuardrail,
		"metadata": map[string]any{"generateName": "taffrail-selftest-"},
		"spec": map[string]any{
			"mode": string(v1alpha1.ModeAudit), "policies": []any{map[string]any{"name": selfTestPolicy}},
		},
	}}
	_, err := guardrails.Create(ctx, nonsense, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	refused := new(apierrors.StatusError)
	switch {
	case err == nil:
		return "", errNotCalled
	case errors.As(err, &refused) && strings.Contains(err.Error(), fmt.Sprintf("%q denied the request", configWebhook)):
		return err.Error(), nil
	}
	return "", fmt.Errorf("creating a Guardrail as a dry run: %w", err)
}
