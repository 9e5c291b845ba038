package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
)

// ExportOptions configures ReadExport.
type ExportOptions struct {
	// Cluster is the name of the cluster.
	Cluster string
	// Namespaces restricts the facts. If it is empty, the facts of all namespaces are read.
	Namespaces []string
	// Now is the time of the export.
	Now time.Time
}

// Export is everything in a cluster that decisions depend on. It never contains a Secret.
type Export struct {
	Header config.Export
	// Objects has the configuration first, then the facts.
	Objects []client.Object
}

// ReadExport reads an export from a cluster. What the user is not permitted to read is listed in
// the header. It returns an *UnreadError if that includes the Guardrails.
func ReadExport(ctx context.Context, reader client.Reader, o ExportOptions) (*Export, error) {
	e := &Export{Header: config.Export{
		APIVersion: v1alpha1.GroupVersion().String(), Kind: config.KindExport,
		Metadata: config.ExportMetadata{Name: o.Cluster, CreationTimestamp: o.Now.UTC().Truncate(time.Second)},
		Spec:     config.ExportSpec{Namespaces: o.Namespaces},
	}}
	configuration, err := ReadConfiguration(ctx, reader)
	switch {
	case err != nil:
		return nil, err
	case !configuration.Installed:
		return nil, ErrNotInstalled
	}
	for _, refused := range configuration.Unread {
		e.leave(refused)
	}
	add := func(kind string, object client.Object) {
		e.add(v1alpha1.GroupVersion().WithKind(kind), object)
	}
	for i := range configuration.Guardrails {
		add(config.KindGuardrail, &configuration.Guardrails[i])
	}
	for i := range configuration.Exemptions {
		add(config.KindExemption, &configuration.Exemptions[i])
	}
	for i := range configuration.Policies {
		add(config.KindPolicy, &configuration.Policies[i])
	}
	if err := e.readNamespaces(ctx, reader); err != nil {
		return nil, err
	}
	for _, kind := range factKinds {
		if err := e.readFacts(ctx, reader, kind); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// ErrNotInstalled is returned if a cluster does not serve the kinds of the configuration.
var ErrNotInstalled = errors.New("the cluster has no Guardrails because Taffrail is not installed in it: name some with --config")

// readNamespaces adds the namespaces, or only those that the export is restricted to.
func (e *Export) readNamespaces(ctx context.Context, reader client.Reader) error {
	if len(e.Header.Spec.Namespaces) == 0 {
		return e.readList(ctx, reader, namespaceKind, "")
	}
	for _, name := range e.Header.Spec.Namespaces {
		namespace := &corev1.Namespace{}
		err := unread(reader.Get(ctx, client.ObjectKey{Name: name}, namespace), namespaceKind.resource, name)
		if refused, ok := errors.AsType[*UnreadError](err); ok {
			e.leave(refused)
			continue
		}
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("namespace %s does not exist in the cluster", name)
		}
		if err != nil {
			return fmt.Errorf("reading namespace %s: %w", name, err)
		}
		e.add(namespaceKind.kind, namespace)
	}
	return nil
}

func (e *Export) readFacts(ctx context.Context, reader client.Reader, kind factKind) error {
	namespaces := e.Header.Spec.Namespaces
	if len(namespaces) == 0 || !kind.namespaced() {
		namespaces = []string{""}
	}
	for _, namespace := range namespaces {
		if err := e.readList(ctx, reader, kind, namespace); err != nil {
			return err
		}
	}
	return nil
}

func (e *Export) readList(ctx context.Context, reader client.Reader, kind factKind, namespace string) error {
	objects, err := list[client.Object](ctx, reader, kind.newList, client.InNamespace(namespace))
	if err != nil {
		err = listing(kind.resource, namespace, err)
		if refused, ok := errors.AsType[*UnreadError](err); ok {
			e.leave(refused)
			return nil
		}
		return err
	}
	for _, object := range objects {
		e.add(kind.kind, object)
	}
	return nil
}

func (e *Export) leave(refused *UnreadError) {
	e.Header.Spec.Unread = append(e.Header.Spec.Unread, refused.Unread)
}

// add adds what decisions read of an object.
func (e *Export) add(kind schema.GroupVersionKind, object client.Object) {
	trim(object)
	object.GetObjectKind().SetGroupVersionKind(kind)
	e.Objects = append(e.Objects, object)
}

// Write writes the export as YAML documents.
func (e *Export) Write(w io.Writer) error {
	documents := make([]any, 0, 1+len(e.Objects))
	documents = append(documents, e.Header)
	for _, object := range e.Objects {
		documents = append(documents, object)
	}
	for _, document := range documents {
		text, err := yaml.Marshal(document)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}
