package request_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"taffrail.dev/webhook/request"
)

// The default of each field of a template, as given in the API reference: the stored template has it, the
// submitted one does not.
func TestEveryDefaultOfATemplate(t *testing.T) {
	const container = `"imagePullPolicy":"IfNotPresent","terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"`
	const probe = `"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3`
	const spec = `"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","terminationGracePeriodSeconds":30,"securityContext":{}`
	volume := func(source string) string { return `"volumes":[{"name":"v",` + source + `}]` }
	for sent, stored := range map[string]string{
		`"restartPolicy":"Never"`:                                         `"restartPolicy":"Never"`,
		`"dnsPolicy":"Default"`:                                           `"dnsPolicy":"Default"`,
		`"schedulerName":"mine"`:                                          `"schedulerName":"mine"`,
		`"terminationGracePeriodSeconds":0`:                               `"terminationGracePeriodSeconds":0`,
		`"securityContext":{"runAsUser":1}`:                               `"securityContext":{"runAsUser":1}`,
		`"serviceAccountName":"a"`:                                        `"serviceAccountName":"a","serviceAccount":"a"`,
		`"serviceAccount":"a"`:                                            `"serviceAccountName":"a","serviceAccount":"a"`,
		`"serviceAccountName":"a","serviceAccount":"b"`:                   `"serviceAccountName":"a","serviceAccount":"a"`,
		`"overhead":{"cpu":"0.1m"}`:                                       `"overhead":{"cpu":"1m"}`,
		`"resources":{"limits":{"cpu":"0.1m"},"requests":{"cpu":"0.2m"}}`: `"resources":{"limits":{"cpu":"1m"},"requests":{"cpu":"1m"}}`,

		volume(`"emptyDir":{}`):                                 volume(`"emptyDir":{}`),
		`"volumes":[{"name":"v"}]`:                              volume(`"emptyDir":{}`),
		volume(`"hostPath":{"path":"/"}`):                       volume(`"hostPath":{"path":"/","type":""}`),
		volume(`"hostPath":{"path":"/","type":"File"}`):         volume(`"hostPath":{"path":"/","type":"File"}`),
		volume(`"secret":{"secretName":"s"}`):                   volume(`"secret":{"secretName":"s","defaultMode":420}`),
		volume(`"secret":{"secretName":"s","defaultMode":256}`): volume(`"secret":{"secretName":"s","defaultMode":256}`),
		volume(`"configMap":{"name":"c"}`):                      volume(`"configMap":{"name":"c","defaultMode":420}`),
		volume(`"downwardAPI":{"items":[{"path":"p","fieldRef":{"fieldPath":"metadata.name"}}]}`): volume(
			`"downwardAPI":{"defaultMode":420,"items":[{"path":"p","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}]}`),
		volume(`"projected":{"sources":[{"serviceAccountToken":{"path":"t"}},{"downwardAPI":{"items":[{"path":"p","fieldRef":{"fieldPath":"metadata.name"}}]}}]}`): volume(
			`"projected":{"defaultMode":420,"sources":[{"serviceAccountToken":{"path":"t","expirationSeconds":3600}},{"downwardAPI":{"items":[{"path":"p","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}]}}]}`),
		volume(`"ephemeral":{"volumeClaimTemplate":{"spec":{"resources":{"requests":{"storage":"1.0001"},"limits":{"storage":"2.0001"}}}}}`): volume(
			`"ephemeral":{"volumeClaimTemplate":{"spec":{"volumeMode":"Filesystem","resources":{"requests":{"storage":"1001m"},"limits":{"storage":"2001m"}}}}}`),
		volume(`"image":{"reference":"a"}`):    volume(`"image":{"reference":"a","pullPolicy":"Always"}`),
		volume(`"image":{"reference":"a:1"}`):  volume(`"image":{"reference":"a:1","pullPolicy":"IfNotPresent"}`),
		volume(`"iscsi":{"targetPortal":"p"}`): volume(`"iscsi":{"targetPortal":"p","iscsiInterface":"default"}`),
		volume(`"rbd":{"image":"i"}`):          volume(`"rbd":{"image":"i","pool":"rbd","user":"admin","keyring":"/etc/ceph/keyring"}`),
		volume(`"scaleIO":{"gateway":"g"}`):    volume(`"scaleIO":{"gateway":"g","storageMode":"ThinProvisioned","fsType":"xfs"}`),
		volume(`"azureDisk":{"diskName":"d"}`): volume(`"azureDisk":{"diskName":"d","cachingMode":"ReadWrite","fsType":"ext4","readOnly":false,"kind":"Shared"}`),

		`"containers":[{"image":"a:1"}]`:          `"containers":[{"image":"a:1",` + container + `}]`,
		`"initContainers":[{"image":"a:1"}]`:      `"initContainers":[{"image":"a:1",` + container + `}]`,
		`"ephemeralContainers":[{"image":"a:1"}]`: `"ephemeralContainers":[{"image":"a:1",` + container + `}]`,
		`"containers":[{"image":"a"}]`:            `"containers":[{"image":"a",` + strings.Replace(container, "IfNotPresent", "Always", 1) + `}]`,
		`"containers":[{"image":"a:latest"}]`:     `"containers":[{"image":"a:latest",` + strings.Replace(container, "IfNotPresent", "Always", 1) + `}]`,
		`"containers":[{"image":"a","imagePullPolicy":"Never","terminationMessagePath":"/p","terminationMessagePolicy":"FallbackToLogsOnError"}]`:                        `"containers":[{"image":"a","imagePullPolicy":"Never","terminationMessagePath":"/p","terminationMessagePolicy":"FallbackToLogsOnError"}]`,
		`"containers":[{"image":"a:1","ports":[{"containerPort":1},{"containerPort":2,"protocol":"UDP"}]}]`:                                                              `"containers":[{"image":"a:1","ports":[{"containerPort":1,"protocol":"TCP"},{"containerPort":2,"protocol":"UDP"}],` + container + `}]`,
		`"containers":[{"image":"a:1","env":[{"name":"E","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},{"name":"F","valueFrom":{"fileKeyRef":{"key":"k"}}}]}]`: `"containers":[{"image":"a:1","env":[{"name":"E","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}},{"name":"F","valueFrom":{"fileKeyRef":{"key":"k","optional":false}}}],` + container + `}]`,
		`"containers":[{"image":"a:1","resources":{"limits":{"cpu":"0.1m"},"requests":{"memory":"0.1m"}}}]`:                                                              `"containers":[{"image":"a:1","resources":{"limits":{"cpu":"1m"},"requests":{"memory":"1m"}},` + container + `}]`,
		`"containers":[{"image":"a:1","livenessProbe":{"httpGet":{"port":1}},"readinessProbe":{"grpc":{"port":1}},"startupProbe":{"exec":{}}}]`:                          `"containers":[{"image":"a:1","livenessProbe":{"httpGet":{"port":1,"path":"/","scheme":"HTTP"},` + probe + `},"readinessProbe":{"grpc":{"port":1,"service":""},` + probe + `},"startupProbe":{"exec":{},` + probe + `},` + container + `}]`,
		`"containers":[{"image":"a:1","livenessProbe":{"exec":{},"timeoutSeconds":2,"periodSeconds":20,"successThreshold":2,"failureThreshold":4}}]`:                     `"containers":[{"image":"a:1","livenessProbe":{"exec":{},"timeoutSeconds":2,"periodSeconds":20,"successThreshold":2,"failureThreshold":4},` + container + `}]`,
		`"containers":[{"image":"a:1","lifecycle":{"postStart":{"httpGet":{"port":1}},"preStop":{"httpGet":{"port":1,"path":"/p","scheme":"HTTPS"}}}}]`:                  `"containers":[{"image":"a:1","lifecycle":{"postStart":{"httpGet":{"port":1,"path":"/","scheme":"HTTP"}},"preStop":{"httpGet":{"port":1,"path":"/p","scheme":"HTTPS"}}},` + container + `}]`,
	} {
		var got, want corev1.PodTemplateSpec
		for text, into := range map[string]*corev1.PodTemplateSpec{`{"spec":{` + sent + `}}`: &got, `{"spec":{` + spec + `}}`: &want} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		if err := json.Unmarshal([]byte(`{"spec":{`+stored+`}}`), &want); err != nil {
			t.Fatalf("%s: %v", stored, err)
		}
		request.SetPodTemplateDefaults(&got)
		// Compare as JSON, because quantities remember their notation.
		if diff := cmp.Diff(asJSON(t, &want), asJSON(t, &got)); diff != "" {
			t.Errorf("%s: %s", sent, diff)
		}
		again := got.DeepCopy()
		if request.SetPodTemplateDefaults(again); cmp.Diff(asJSON(t, &got), asJSON(t, again)) != "" {
			t.Errorf("%s: a second time changes something", sent)
		}
	}
}

func asJSON(t *testing.T, template *corev1.PodTemplateSpec) any {
	t.Helper()
	encoded, err := json.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}
