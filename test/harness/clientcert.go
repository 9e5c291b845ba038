package harness

import (
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

// APIServerName is the common name of the client certificate, signed by Authority, that the API server presents
// to webhooks that request one.
const APIServerName = "kube-apiserver-admission"

// writeAdmissionConfiguration writes the file that configures how the API server calls webhooks.
func (h *Harness) writeAdmissionConfiguration() (file string, err error) {
	certificate, key, err := h.Authority.IssueClient(APIServerName)
	if err != nil {
		return "", err
	}
	kubeconfig := h.path("webhooks.kubeconfig")
	// A user named after a host applies to webhooks on that host; * applies to all.
	if err := clientcmd.WriteToFile(clientcmdapi.Config{AuthInfos: map[string]*clientcmdapi.AuthInfo{
		"*": {ClientCertificateData: certificate, ClientKeyData: key},
	}}, kubeconfig); err != nil {
		return "", err
	}
	// The types belong to the API server, which is not a dependency of the tests.
	group := schema.GroupVersion{Group: "apiserver.config.k8s.io", Version: "v1"}
	type configuration struct {
		metav1.TypeMeta `json:",inline"`
		KubeConfigFile  string `json:"kubeConfigFile"`
	}
	type plugin struct {
		Name          string        `json:"name"`
		Configuration configuration `json:"configuration"`
	}
	whole := struct {
		metav1.TypeMeta `json:",inline"`
		Plugins         []plugin `json:"plugins"`
	}{TypeMeta: typeMeta(group.WithKind("AdmissionConfiguration"))}
	for _, name := range []string{"MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"} {
		whole.Plugins = append(whole.Plugins, plugin{Name: name, Configuration: configuration{
			TypeMeta: typeMeta(group.WithKind("WebhookAdmissionConfiguration")), KubeConfigFile: kubeconfig,
		}})
	}
	text, err := yaml.Marshal(whole)
	if err != nil {
		return "", err
	}
	file = h.path("admission.yaml")
	return file, os.WriteFile(file, text, 0o600)
}

func typeMeta(kind schema.GroupVersionKind) metav1.TypeMeta {
	version, name := kind.ToAPIVersionAndKind()
	return metav1.TypeMeta{APIVersion: version, Kind: name}
}
