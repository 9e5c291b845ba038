package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"taffrail.dev/test/harness"
)

// verdict is the outcome for an object, as shown in the table.
type verdict string

const (
	admitted verdict = "admitted"
	recorded verdict = "admitted, recorded:"
	warned   verdict = "warned:"
	patched  verdict = "patched with"
	denied   verdict = "denied because"
)

// outcome is a verdict with its reasons.
type outcome struct {
	verdict verdict
	// policies lists the policies with findings, by container; "" is the object itself.
	policies map[string][]string
	// values lists the values that were filled in.
	values []string
}

func (o outcome) String() string {
	text := string(o.verdict)
	var reasons []string
	for _, container := range slices.Sorted(maps.Keys(o.policies)) {
		reason := strings.Join(o.policies[container], ", ")
		if container != "" {
			reason += " (" + container + ")"
		}
		reasons = append(reasons, reason)
	}
	if reasons = append(reasons, o.values...); len(reasons) > 0 {
		text += " " + strings.Join(reasons, ", ")
	}
	return text
}

// add parses the start of a line of a message: `policy, container "name": …`, or `policy: …`.
func (o *outcome) add(headline string) {
	head, _, _ := strings.Cut(headline, ": ")
	policy, container, _ := strings.Cut(head, ", container ")
	container = strings.Trim(container, `"`)
	if o.policies == nil {
		o.policies = map[string][]string{}
	}
	if !slices.Contains(o.policies[container], policy) {
		o.policies[container] = append(o.policies[container], policy)
	}
}

// outcomeOf reads the API server's answer, and its audit log entry.
func (s *scene) outcomeOf(ctx context.Context, answer *harness.Answer) (outcome, error) {
	if answer.Err != nil {
		if _, byWebhook := answer.Denied(); !byWebhook {
			return outcome{}, answer.Err
		}
		o := outcome{verdict: denied}
		status := apierrors.APIStatus(nil)
		if !errors.As(answer.Err, &status) || status.Status().Details == nil {
			return outcome{}, fmt.Errorf("a denial without details: %w", answer.Err)
		}
		for _, cause := range status.Status().Details.Causes {
			o.add(cause.Message)
		}
		return o, nil
	}
	if len(answer.Warnings) > 0 {
		o := outcome{verdict: warned}
		for _, warning := range answer.Warnings {
			o.add(warning)
		}
		return o, nil
	}
	event, err := s.AuditedAnswer(ctx, answer)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{verdict: admitted}
	for _, key := range slices.Sorted(maps.Keys(event.Annotations)) {
		_, policy, ours := strings.Cut(key, "validate.taffrail.dev/") // all names of entries have this suffix
		if ours && strings.HasPrefix(event.Annotations[key], "audit, ") {
			o.verdict = recorded
			o.add(policy)
		}
	}
	return o, nil
}

// resourcesOf lists a container's requests and limits, as in requests.cpu=100m.
func resourcesOf(c *corev1.Container) []string {
	var values []string
	add := func(list string, quantities corev1.ResourceList) {
		for _, name := range slices.Sorted(maps.Keys(quantities)) {
			quantity := quantities[name]
			values = append(values, list+"."+string(name)+"="+quantity.String())
		}
	}
	add("requests", c.Resources.Requests)
	add("limits", c.Resources.Limits)
	return values
}
