package live

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/webhook/decision"
)

// ReadEverything reads the facts of all namespaces with one list for each kind, instead of one for each kind
// in each namespace. What the user is not permitted to list in the whole cluster is read namespace by
// namespace, when it is needed. It must return before anything else is called.
func (f *Facts) ReadEverything(ctx context.Context) error {
	namespaces, err := list[*corev1.Namespace](ctx, f.reader, func() client.ObjectList { return &corev1.NamespaceList{} })
	if err != nil {
		return ignoreUnread(listing(namespaceKind.resource, "", err))
	}
	for _, namespace := range namespaces {
		read := decision.Namespace{
			Name: namespace.Name, Labels: namespace.Labels, Annotations: namespace.Annotations, Known: true, Created: namespace.CreationTimestamp.Time,
		}
		f.namespaces[namespace.Name] = func() (decision.Namespace, error) { return read, nil }
	}
	for _, kind := range factKinds {
		if !kind.namespaced() {
			continue
		}
		objects, err := list[client.Object](ctx, f.reader, kind.newList)
		if err != nil {
			if err := ignoreUnread(listing(kind.resource, "", err)); err != nil {
				return err
			}
			continue
		}
		byNamespace := map[string][]client.Object{}
		for _, object := range objects {
			trim(object)
			byNamespace[object.GetNamespace()] = append(byNamespace[object.GetNamespace()], object)
		}
		for _, namespace := range namespaces {
			read := factsOf(byNamespace[namespace.Name])
			f.lists[listKey{kind.fact, namespace.Name}] = func() (decision.Facts, error) { return read, nil }
		}
	}
	return nil
}

func ignoreUnread(err error) error {
	if _, refused := errors.AsType[*UnreadError](err); refused {
		return nil
	}
	return err
}
