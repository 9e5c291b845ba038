//go:build e2e

package e2e

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const certificateSecret = release + "-tls"

// A certificate that Taffrail issues is valid for a minute here, and its authority for three. Both are replaced
// under continuous load, without a failed request.
func TestSelfManagedCertificateIsRotated(t *testing.T) {
	install(t, "eks")
	restoreAfterFailure(t)
	namespace(t, shop)
	// The chart's values are in hours.
	kubectl(t, world.admin, "patch deployment "+release+" --namespace="+systemNamespace+" --type=json --patch",
		`[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--certificate-validity=1m"},
		  {"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--ca-validity=3m"}]`)
	settled(t)
	// The existing certificate is valid for months, so the Secret is emptied and Taffrail issues a new one.
	kubectl(t, world.admin, "patch secret "+certificateSecret+" --namespace="+systemNamespace+" --type=merge --patch", `{"data":null}`)
	eventually(t, "a certificate for a minute", func(ctx context.Context) error {
		leaf, _, err := keptCertificate(ctx, certificateSecret)
		if err == nil && time.Until(leaf.NotAfter) > 2*time.Minute {
			err = errors.New("it is the old one")
		}
		return err
	})
	rotated(t, "self-managed rotation", certificateSecret, func(t *testing.T) {
		first, authority, err := keptCertificate(t.Context(), certificateSecret)
		must(t, err)
		leaves := map[string]bool{}
		eventually(t, "an authority and three certificates to succeed", func(ctx context.Context) error {
			leaf, now, err := keptCertificate(ctx, certificateSecret)
			if err != nil {
				return err
			}
			leaves[leaf.SerialNumber.String()] = true
			delete(leaves, first.SerialNumber.String())
			if len(leaves) < 3 || now.Equal(authority) || leaf.CheckSignatureFrom(now) != nil {
				return fmt.Errorf("%d certificates, another authority: %t", len(leaves), !now.Equal(authority))
			}
			return nil
		})
	})
	restore(t, "eks")
}

// rotated rotates under load. It requires that no request fails, that every replica serves the newest
// certificate in the end, and that none was restarted.
func rotated(t *testing.T, scenario, secret string, rotate func(t *testing.T)) {
	t.Helper()
	settled(t)
	load := startLoad(t, shop)
	before := mustReplicas(t, 3)
	rotate(t)
	for i := range before {
		eventually(t, "Pod "+before[i].Name+" to serve the newest certificate", func(ctx context.Context) error {
			kept, _, err := keptCertificate(ctx, secret)
			if err != nil {
				return err
			}
			served, err := servedCertificate(ctx, &before[i])
			if err == nil && !served.Equal(kept) {
				err = errors.New("it serves another one")
			}
			return err
		})
	}
	load.more(t, 2*writesPerSecond)
	load.unharmed(t, scenario)
	for i := range before {
		now, err := world.admin.client.CoreV1().Pods(systemNamespace).Get(t.Context(), before[i].Name, metav1.GetOptions{})
		must(t, err)
		if restarts(now) != restarts(&before[i]) {
			t.Errorf("Pod %s was restarted", now.Name)
		}
	}
}

// keptCertificate returns the certificate in a Secret, and the newest authority.
func keptCertificate(ctx context.Context, name string) (leaf, authority *x509.Certificate, err error) {
	secret, err := world.admin.client.CoreV1().Secrets(systemNamespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, nil, err
	}
	leaf, err1 := firstCertificate(secret.Data["tls.crt"])
	authority, err2 := firstCertificate(secret.Data["ca.crt"])
	return leaf, authority, errors.Join(err1, err2)
}

func firstCertificate(content []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("the Secret has no certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

// errNoAddress is returned when a line contains no address.
var errNoAddress = errors.New("that names no address")

var forwarding = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+) `)

// servedCertificate connects directly to a replica, bypassing the Service, and returns its certificate.
func servedCertificate(ctx context.Context, pod *corev1.Pod) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, world.kubectlProgram, "port-forward", "--namespace="+systemNamespace, "pod/"+pod.Name, ":9443")
	command.Env = []string{"HOME=" + world.dir, "KUBECONFIG=" + world.admin.kubeconfig, "PATH=" + os.Getenv("PATH")}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	defer func() { cancel(); _ = command.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	found := forwarding.FindStringSubmatch(line)
	if found == nil {
		return nil, fmt.Errorf("kubectl port-forward says %q: %w", line, cmp.Or(err, errNoAddress))
	}
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // the certificate is only read here, not trusted
	connection, err := dialer.DialContext(ctx, "tcp", found[1])
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}
