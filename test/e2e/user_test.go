//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// user acts on the cluster as a user, through kubectl or a client.
type user struct {
	name       string
	kubeconfig string
	client     kubernetes.Interface
	config     *rest.Config
}

func newUser(name, kubeconfig string) (*user, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	// -1 disables the client's own rate limit, which tests do not need.
	config.QPS, config.Timeout = -1, 30*time.Second
	config.WarningHandlerWithContext = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	return &user{name: name, kubeconfig: kubeconfig, client: client, config: config}, err
}

// addUser creates a user with a client certificate that the cluster signs on request. RBAC decides what the
// user may do.
func (e *environment) addUser(ctx context.Context, name string, groups ...string) (*user, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	keyBytes, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: name, Organization: groups},
	}, key)
	if err != nil {
		return nil, err
	}
	certificate, err := e.sign(ctx, name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}))
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	return e.writeUser(name, &clientcmdapi.AuthInfo{
		ClientCertificateData: certificate,
		ClientKeyData:         pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyBytes}),
	})
}

// serviceAccount returns an existing ServiceAccount as a user, authenticated by a token.
func (e *environment) serviceAccount(ctx context.Context, namespace, name string) (*user, error) {
	token, err := e.admin.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return e.writeUser(name, &clientcmdapi.AuthInfo{Token: token.Status.Token})
}

// writeUser writes a user's kubeconfig.
func (e *environment) writeUser(name string, known *clientcmdapi.AuthInfo) (*user, error) {
	written := clientcmdapi.NewConfig()
	written.Clusters["kind"] = &clientcmdapi.Cluster{Server: e.admin.config.Host, CertificateAuthorityData: e.admin.config.CAData}
	written.AuthInfos[name] = known
	written.Contexts["kind"] = &clientcmdapi.Context{Cluster: "kind", AuthInfo: name}
	written.CurrentContext = "kind"
	kubeconfig := filepath.Join(e.dir, name+".kubeconfig")
	if err := clientcmd.WriteToFile(*written, kubeconfig); err != nil {
		return nil, err
	}
	return newUser(name, kubeconfig)
}

func (e *environment) sign(ctx context.Context, name string, request []byte) ([]byte, error) {
	requests := e.admin.client.CertificatesV1().CertificateSigningRequests()
	asked, err := requests.Create(ctx, &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: request, SignerName: certificatesv1.KubeAPIServerClientSignerName,
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	asked.Status.Conditions = append(asked.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Test", Message: "a user of the tests",
	})
	if _, err := requests.UpdateApproval(ctx, asked.Name, asked, metav1.UpdateOptions{}); err != nil {
		return nil, err
	}
	var certificate []byte
	err = await(ctx, "a certificate", func(ctx context.Context) error {
		now, err := requests.Get(ctx, asked.Name, metav1.GetOptions{})
		if err == nil && len(now.Status.Certificate) == 0 {
			err = errors.New("not signed yet")
		}
		if err == nil {
			certificate = now.Status.Certificate
		}
		return err
	})
	return certificate, err
}

// namespace creates a namespace that Alice may edit, with labels given as key=value, and deletes it after the
// test.
func namespace(t *testing.T, name string, labels ...string) {
	t.Helper()
	kubectl(t, world.admin, "delete namespace --ignore-not-found "+name)
	kubectl(t, world.admin, "create namespace "+name)
	t.Cleanup(func() { deleteNamespace(t, name) })
	if len(labels) > 0 {
		kubectl(t, world.admin, "label namespace "+name, labels...)
	}
	allowAlice(t, name)
}

// deleteNamespace does not wait, because the content may take time to stop.
func deleteNamespace(t *testing.T, name string) {
	out, err := world.kubectl(context.Background(), world.admin, "delete namespace --ignore-not-found --wait=false "+name) //nolint:usetesting // the test has ended
	if err != nil || out.code != 0 {
		t.Errorf("deleting namespace %s: %v %s", name, err, out.text)
	}
}

// allowAlice permits Alice to edit objects in a namespace, and waits until that is in effect.
func allowAlice(t *testing.T, namespace string) {
	t.Helper()
	kubectl(t, world.admin, "create rolebinding alice-edits --clusterrole=edit --user=alice --namespace="+namespace)
	eventually(t, "what Alice may do in "+namespace, func(ctx context.Context) error {
		out, err := world.kubectl(ctx, world.alice, "auth can-i create cronjobs --namespace="+namespace)
		if err == nil && out.code != 0 {
			err = errors.New(out.text)
		}
		return err
	})
	eventually(t, "the default ServiceAccount of "+namespace, func(ctx context.Context) error {
		_, err := world.admin.client.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}
