package live

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
)

// Configuration is the configuration of a cluster, as far as the user is permitted to read it.
type Configuration struct {
	config.Objects

	// Installed is false if the cluster does not serve the kinds of the configuration.
	Installed bool
	// Unread has the kinds that the user is not permitted to read. Guardrails are never among them.
	Unread []*UnreadError
}

// ReadConfiguration reads the stored configuration. It returns an *UnreadError if the user is not
// permitted to read Guardrails, without which nothing can be decided.
func ReadConfiguration(ctx context.Context, reader client.Reader) (*Configuration, error) {
	all := &Configuration{Installed: true}
	guardrails, err := list[*v1alpha1.Guardrail](ctx, reader, func() client.ObjectList { return &v1alpha1.GuardrailList{} })
	switch {
	case apierrors.IsNotFound(err):
		all.Installed = false
		return all, nil
	case err != nil:
		return nil, listing("guardrails", "", err)
	}
	exemptions, err := list[*v1alpha1.Exemption](ctx, reader, func() client.ObjectList { return &v1alpha1.ExemptionList{} })
	if err := all.leave("exemptions", err); err != nil {
		return nil, err
	}
	policies, err := list[*v1alpha1.Policy](ctx, reader, func() client.ObjectList { return &v1alpha1.PolicyList{} })
	if err := all.leave("policies", err); err != nil {
		return nil, err
	}
	all.Guardrails, all.Exemptions, all.Policies = values(guardrails), values(exemptions), values(policies)
	return all, nil
}

// leave adds an *UnreadError to Unread, and returns every other error.
func (c *Configuration) leave(resource string, err error) error {
	if err == nil {
		return nil
	}
	err = listing(resource, "", err)
	if refused, ok := errors.AsType[*UnreadError](err); ok {
		c.Unread = append(c.Unread, refused)
		return nil
	}
	return err
}

// MaxMode returns the maximum mode of the server, which is in the status of every Guardrail that
// it compiled. It returns 0 if no status contains one. While servers with different modes are
// replaced, the strictest counts.
func MaxMode(guardrails []v1alpha1.Guardrail) decision.Mode {
	var strictest decision.Mode
	for i := range guardrails {
		// A mode that does not parse is 0: a newer server may have modes that are not known here.
		mode, _ := decision.ParseMode(string(guardrails[i].Status.MaxMode))
		strictest = max(strictest, mode)
	}
	return strictest
}

// listing returns the error of a list request, as an *UnreadError if it was refused.
func listing(resource, namespace string, err error) error {
	err = unread(err, resource, namespace)
	if _, refused := errors.AsType[*UnreadError](err); refused {
		return err
	}
	return fmt.Errorf("listing %s: %w", resource, err)
}

func values[T any](pointers []*T) []T {
	all := make([]T, len(pointers))
	for i, pointer := range pointers {
		all[i] = *pointer
	}
	return all
}
