package harness

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"text/template"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ServerLabel on a namespace assigns it to the registration that its value names. Namespaces without it belong
// to the main registration, whose server no test disrupts.
const ServerLabel = "test.taffrail.dev/server"

//go:embed manifests/webhooks.yaml
var webhooks string

// Registration makes the API server call a webhook.
type Registration struct {
	// Name is the name of both configurations. A registration other than the main one applies to the namespaces
	// with its name in ServerLabel.
	Name string
	// Main registrations apply to the namespaces without a ServerLabel.
	Main bool
	// Address is the host and port of the server.
	Address       string
	FailurePolicy admissionregistrationv1.FailurePolicyType
	// CA verifies the server's certificate. It defaults to the CA of the harness.
	CA []byte
}

// CABundle is called by the template.
func (r Registration) CABundle() string { return base64.StdEncoding.EncodeToString(r.CA) }

// NamespaceSelector is called by the template. It excludes the namespaces that a cluster needs to recover from
// an outage of Taffrail.
func (r Registration) NamespaceSelector() (string, error) {
	handed := metav1.LabelSelectorRequirement{Key: ServerLabel, Operator: metav1.LabelSelectorOpIn, Values: []string{r.Name}}
	if r.Main {
		handed = metav1.LabelSelectorRequirement{Key: ServerLabel, Operator: metav1.LabelSelectorOpDoesNotExist}
	}
	encoded, err := json.Marshal(metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
		Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpNotIn,
		Values: []string{"kube-system", "kube-node-lease", "kube-public", SystemNamespace},
	}, handed}})
	return string(encoded), err
}

// objects returns the two configurations.
func (r Registration) objects() ([]client.Object, error) {
	parsed, err := template.New("webhooks.yaml").Parse(webhooks)
	if err != nil {
		return nil, err
	}
	var filled bytes.Buffer
	if err := parsed.Execute(&filled, r); err != nil {
		return nil, err
	}
	return decode(filled.Bytes())
}

// Register creates or updates the webhook configurations. The API server reads them through a watch, so callers
// have to wait for their effect.
func (h *Harness) Register(ctx context.Context, r Registration) error {
	if r.CA == nil {
		r.CA = h.Authority.PEM
	}
	objects, err := r.objects()
	if err != nil {
		return err
	}
	return h.Apply(ctx, objects...)
}

// Unregister deletes the webhook configurations of that name.
func (h *Harness) Unregister(ctx context.Context, name string) error {
	meta := metav1.ObjectMeta{Name: name}
	for _, o := range []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: meta},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: meta},
	} {
		if err := client.IgnoreNotFound(h.Admin.Client.Delete(ctx, o)); err != nil {
			return fmt.Errorf("unregistering %s: %w", name, err)
		}
	}
	return nil
}
