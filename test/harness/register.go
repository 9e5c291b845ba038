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

// ServerLabel on a namespace hands it to the registration that its value names. The
// namespaces without it belong to the main registration, whose server no test breaks.
const ServerLabel = "test.taffrail.dev/server"

//go:embed manifests/webhooks.yaml
var webhooks string

// Registration makes the API server call a webhook.
type Registration struct {
	// Name of both configurations. A registration other than the main one is called for
	// the namespaces that carry its name in ServerLabel.
	Name string
	// Main registrations are called for the namespaces without a ServerLabel.
	Main bool
	// Address is the host and port of the server.
	Address       string
	FailurePolicy admissionregistrationv1.FailurePolicyType
	// CA is what the server's certificate is verified by; that of the harness if nil.
	CA []byte
}

// CABundle is for the template.
func (r Registration) CABundle() string { return base64.StdEncoding.EncodeToString(r.CA) }

// NamespaceSelector is for the template. What a cluster needs to recover from an outage
// of Taffrail is never handed to it.
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

// objects are the two configurations.
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

// Register installs or changes the webhook configurations. The API server learns of
// them by a watch: whoever needs them in force waits for what they bring about.
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

// Unregister takes the webhook configurations of that name away.
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
