package integration

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Encrypted values, each in the format of its tool.
const (
	sopsValue   = "ENC[AES256_GCM,data:pU3KGCUwux1tEyze1iM=,iv:ey7ZHj9yH8sZcRdElNZJPJ1cNGC+MSAeaf7aoO7ouZk=,tag:f1x8KZn9r+WTJTzWVK9N+g==,type:str]"
	ageValue    = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSAxeFFub0s2ei91a2pMNHJ5\nSVIrZTVKSEZzUXZzdFZZNy9CNXZrMEoreThnCi9pbFY1YzJPUnR5TzFMZkNkazBx\nV2sxMmR3YjRYWWFRQWtyV3ZhTkFHK2sKLS0tIHlNdk15VFgyelI5aEltcmhVeml1\nR2pRQVRUTzZEU1Jxd0V5QnNicnlQanMK+e71958rSTSvh/VSC2m5Sw2YLoW7VbZy\nqHJjes10Zvy2Dg6P8YRjsOSyuilwNA==\n-----END AGE ENCRYPTED FILE-----\n"
	pgpValue    = "-----BEGIN PGP MESSAGE-----\n\nhQEMA3TwZKxo9wD1sCs9xmb0W96qLMrtzStRV0EOTe5K8rNPQwoHNEfeY2wOgGyV\ne6aE1kMfterXQk0J4V0CTFhI8j0fpvc2HX9hjRUy5w4g4qZmjef0foRn5UbVPsji\noSV72yVsmz5Pu0mBRu9wMMv5U3JS3M6t12S2oy+7Ca3q4QnEqZcgOXU1K4eLFFyK\n=Ab+1\n-----END PGP MESSAGE-----\n"
	kmsValue    = "AQICAHhC2ITPTP2nLY4dXdkliQgthSpxIoc+6AWt1YlCFno4UoYZXGefnGmU5FuKsQmAEgcJYfN95Dbd/cmdbnWvZUfPsRtCBySC3FMcK8OQfJYX615QieQBhrqopX0Rnm+2XQCrwyrzjmZ/Ai6HLUnMFckLmZt3K0/Hpv1MkUoW20cIdSsPFUS4NcDnGQl9+ocB6SMvIfKBJod4aXbr/MMn9ZMXZSdLqYKbRAb2Hw=="
	vaultValue  = "vault:v1:+Ikyb/qUku3u7jxmnyvyCJTqJ+aJxmtrJi5IhrhDjzm6dv74yQxRAQ=="
	helmRelease = "H4sIAAAAAAAC/1WMwQrDIBBE/2XOEpJr/maJaxSMK+62UIL/Xu2htLdhZt67Uehi7NAoFQ6pBMF+Q43soaP3XLO82KM7HJGazfViI09GM//zT26apIxiW9ZlRZ+YlJDO+T0bs6UyMiLnLFN6UUmBdXjxy2/uY9ZKx1ff35Y7PyWuAAAA"
)

// A value that only begins like an encrypted envelope is not excused.
func TestAnEnvelopesBeginningExcusesNoPlaintext(t *testing.T) {
	t.Parallel()
	label := unique("envelope")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	putGuardrail(t, binding(label, label, "plaintext-secret"))
	n := 0
	create := func(kind corev1.SecretType, key, value string) error {
		n++
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("s%d", n)}, Type: kind, StringData: map[string]string{key: value}}
		return cluster.Alice.Create(t.Context(), secret).Err
	}
	text := "only-an-example, which nobody has encrypted"
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	for name, value := range map[string]string{
		"Vault": "vault:v1:" + text, "Vault, in base64": "vault:v1:" + encoded, "Vault, its beginning": "vault:v1:",
		"KMS": "AQICAH" + text, "KMS, as long as one": "AQICAH" + strings.Repeat(strings.TrimRight(encoded, "="), 4),
		"SOPS": "ENC[AES256_GCM," + text + "]", "SOPS, half": "ENC[AES256_GCM,data:" + encoded + ",type:str]", "SOPS, and more": sopsValue + text,
		"age": "-----BEGIN AGE ENCRYPTED FILE-----\n" + encoded + "\n-----END AGE ENCRYPTED FILE-----\n", "age, binary": "age-encryption.org/v1\n" + text,
		"PGP": "-----BEGIN PGP MESSAGE-----\n\n" + encoded + "\n-----END PGP MESSAGE-----\n", "PGP, and more": pgpValue + text,
		"a certificate": "-----BEGIN CERTIFICATE-----\n" + encoded + "\n-----END CERTIFICATE-----\n",
	} {
		if err := create(corev1.SecretTypeOpaque, "db-password", value); err == nil || !strings.Contains(err.Error(), "is in plaintext") {
			t.Errorf("%s: %v", name, orNothing(err))
		}
	}
	for name, value := range map[string]string{"Vault": vaultValue, "KMS": kmsValue, "SOPS": sopsValue, "age": ageValue, "PGP": pgpValue} {
		if err := create(corev1.SecretTypeOpaque, "db-password", value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, value := range map[string]string{"text": "H4sI" + text, "in base64": "H4sI" + encoded, "with a header": "H4sIAAAAAAAC/" + encoded, "and more": helmRelease + encoded} {
		if err := create("helm.sh/release.v1", "release", value); err == nil || !strings.Contains(err.Error(), "is in plaintext") {
			t.Errorf("Helm, %s: %v", name, orNothing(err))
		}
	}
	if err := create("helm.sh/release.v1", "release", helmRelease); err != nil {
		t.Errorf("Helm: %v", err)
	}
}

// A literal is found behind a reference to it, as the kubelet would resolve it.
func TestAReferenceHidesNoLiteral(t *testing.T) {
	t.Parallel()
	label := unique("indirect")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	putGuardrail(t, binding(label, label, "env-credentials"))
	fromSecret := &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "db-password"}}
	literal := corev1.EnvVar{Name: "X1", Value: "only4an-example"}
	for name, c := range map[string]struct {
		env   []corev1.EnvVar
		args  []string
		field string
	}{
		"a reference":    {[]corev1.EnvVar{literal, {Name: "DB_PASSWORD", Value: "$(X1)"}}, nil, "env[1].value"},
		"a chain":        {[]corev1.EnvVar{literal, {Name: "X2", Value: "$(X1)"}, {Name: "X3", Value: "$(X2)"}, {Name: "DB_PASSWORD", Value: "$(X3)"}}, nil, "env[3].value"},
		"a part":         {[]corev1.EnvVar{literal, {Name: "DB_PASSWORD", Value: "pre$(X1)post"}}, nil, "env[1].value"},
		"args":           {[]corev1.EnvVar{literal}, []string{"--password=$(X1)"}, "args[0]"},
		"around one":     {[]corev1.EnvVar{{Name: "S", ValueFrom: fromSecret}, {Name: "DB_PASSWORD", Value: "hunter2$(NOTHING)"}}, nil, "env[1].value"},
		"a Secret's":     {[]corev1.EnvVar{{Name: "S", ValueFrom: fromSecret}, {Name: "DB_PASSWORD", Value: "$(S)"}}, []string{"--password=$(S)"}, ""},
		"a later one":    {[]corev1.EnvVar{{Name: "DB_PASSWORD", Value: "$(X1)"}, literal}, nil, ""},
		"an escape":      {[]corev1.EnvVar{literal, {Name: "DB_PASSWORD", Value: "$$(X1)"}}, nil, ""},
		"one of envFrom": {[]corev1.EnvVar{{Name: "DB_PASSWORD", Value: "$(FROM)"}}, nil, ""},
	} {
		pod := podOf(namespace, strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(name), " ", "-"), "'", ""), corev1.Container{Name: "main", Image: "web:1.0.0", Env: c.env, Args: c.args})
		answer := cluster.Alice.Create(t.Context(), pod)
		if c.field == "" {
			admit(t, name, answer)
		} else if words := deny(t, name, answer); !strings.Contains(words, "spec.containers[0]."+c.field) {
			t.Errorf("%s: %s", name, words)
		}
	}
}

// A write with a minted ServiceAccount token can be traced: it is recorded, and the API server's audit log has
// the token's identifier for the minting and the write. A ServiceAccount listed as a deployer is refused,
// whoever uses its token.
func TestWhatIsWrittenWithAMintedTokenIsTracedToWhoMintedIt(t *testing.T) {
	t.Parallel()
	label := unique("minted")
	namespace := newNamespace(t, label, "test.taffrail.dev/own="+label)
	name := fmt.Sprintf("system:serviceaccount:%s:default", namespace)
	g := binding(label, label, "plaintext-secret")
	putGuardrail(t, g)
	must(t, cluster.Admin.Client.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "edit"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: "default"}},
	}))
	request := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}}
	must(t, cluster.Admin.Client.SubResource("token").Create(t.Context(), account, request))
	config := rest.AnonymousClientConfig(cluster.Admin.Config)
	config.BearerToken = request.Status.Token
	minted, err := client.New(config, client.Options{})
	must(t, err)
	plain := func(name string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: map[string]string{"a": "only-an-example"}}
	}
	must(t, minted.Create(t.Context(), plain("recorded")))

	g.Spec.Policies[0].Parameters = &apiextensionsv1.JSON{Raw: []byte(fmt.Sprintf(`{"deployers": [%q]}`, name))}
	putGuardrail(t, g)
	if err := minted.Create(t.Context(), plain("deployed")); err == nil || !strings.Contains(err.Error(), "is in plaintext") {
		t.Errorf("a deployer: %v", orNothing(err))
	}

	// The log is written before a request is answered.
	text, err := os.ReadFile(filepath.Join(cluster.Dir, "audit.log"))
	must(t, err)
	minters, writers := map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(text)) {
		var event struct {
			User struct {
				Username string
				Extra    map[string][]string
			}
			ObjectRef   struct{ Resource, Subresource, Namespace, Name string }
			Annotations map[string]string
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.ObjectRef.Namespace != namespace {
			continue
		}
		if id := event.Annotations["authentication.kubernetes.io/issued-credential-id"]; id != "" {
			minters[id] = event.User.Username
		}
		if id := event.User.Extra["authentication.kubernetes.io/credential-id"]; event.ObjectRef.Name == "recorded" && len(id) == 1 {
			writers[id[0]] = event.Annotations["secrets.validate.taffrail.dev/plaintext-secret"]
			if pod := event.User.Extra["authentication.kubernetes.io/pod-name"]; len(pod) > 0 {
				t.Errorf("the token is a Pod's: %v", pod)
			}
		}
	}
	if len(writers) != 1 {
		t.Fatalf("written with %v, minted by %v", writers, minters)
	}
	for id, note := range writers {
		if minters[id] != cluster.Admin.Name || !strings.Contains(note, "recorded") {
			t.Errorf("minted by %q, and annotated %q", minters[id], note)
		}
	}
}
