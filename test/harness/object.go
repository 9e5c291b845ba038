package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// decode returns the objects of a YAML stream.
func decode(content []byte) ([]client.Object, error) {
	var objects []client.Object
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, err
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}

// Apply creates or updates objects as the administrator.
func (h *Harness) Apply(ctx context.Context, objects ...client.Object) error {
	for _, object := range objects {
		err := h.Admin.Client.Create(ctx, object)
		if apierrors.IsAlreadyExists(err) {
			there := &unstructured.Unstructured{}
			there.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
			if err := h.Admin.Client.Get(ctx, client.ObjectKeyFromObject(object), there); err != nil {
				return err
			}
			object.SetResourceVersion(there.GetResourceVersion())
			err = h.Admin.Client.Update(ctx, object)
		}
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetObjectKind().GroupVersionKind().Kind, object.GetName(), err)
		}
	}
	return nil
}
