package chart

import (
	"errors"
	"strings"
	"testing"
)

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestChartPassesLint(t *testing.T) {
	everyHelm(t, func(t *testing.T, h *Helm) {
		for name, r := range releases() {
			if err := h.Lint(t.Context(), r); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestValuesThatAreRefused(t *testing.T) {
	fail := release().with("maxMode=enforce", "failurePolicy=Fail")
	for name, test := range map[string]struct {
		release Release
		want    string
	}{
		// keys and types
		"an unknown key":           {release().with("replicaCount=2"), "at '': additional properties 'replicaCount' not allowed"},
		"an unknown key below":     {release().with("server.loglevel=debug"), "at '/server': additional properties 'loglevel' not allowed"},
		"an unknown mode":          {release().with("maxMode=deny"), "at '/maxMode': value must be one of 'audit', 'warn', 'enforce'"},
		"an unknown failurePolicy": {release().with("failurePolicy=Open"), "at '/failurePolicy': value must be one of 'Ignore', 'Fail'"},
		"no replicas":              {release().with("replicas=0"), "at '/replicas': minimum: got 0, want 1"},
		"a text for a number":      {release().with("replicas=many"), "at '/replicas': got string, want integer"},
		"a namespace's name":       {release().with("excludeNamespaces={Kube}"), "at '/excludeNamespaces/0': 'Kube' does not match pattern"},
		"a namespace twice":        {release().with("excludeNamespaces={a,a}"), "at '/excludeNamespaces': items at 0 and 1 are equal"},
		"too long a timeout":       {release().with("webhooks.workloads.timeoutSeconds=31"), "at '/webhooks/workloads/timeoutSeconds': maximum: got 31, want 30"},
		"the entry that all kinds had": {
			release().with("webhooks.validate.timeoutSeconds=5"), "webhooks.validate has been replaced by an entry for each group of kinds: write webhooks.workloads,",
		},
		"a duration without a unit": {release().with("server.excusesInterval=10"), "at '/server/excusesInterval': got number, want string"},
		"an interval of nothing":    {release().with("server.wouldDenyInterval=0s"), "at '/server/wouldDenyInterval': '0s' does not match pattern"},
		"a drain in minutes":        {release().with("server.drainDelay=1m"), "at '/server/drainDelay': '1m' does not match pattern '^[0-9]{1,4}s$'"},
		"no time to shut down":      {release().with("server.shutdownGrace=0s"), "at '/server/shutdownGrace': '0s' does not match pattern"},
		"a validity in days":        {release().with("certificates.selfManaged.certificateValidity=90d"), "at '/certificates/selfManaged/certificateValidity': '90d' does not match pattern"},
		"a memory limit":            {release().with("resources.limits.memory=512MB"), "at '/resources/limits/memory': '512MB' does not match pattern"},
		"a CPU limit":               {release().with("resources.limits.cpu=one"), "at '/resources/limits/cpu': 'one' does not match pattern"},
		"GOMEMLIMIT":                {release().with("goMemLimit=400MB"), "at '/goMemLimit': '400MB' does not match pattern"},
		"GOGC":                      {release().with("goGC=off"), "at '/goGC': got string, want integer"},
		"a GOGC without end":        {release().with("goGC=100000"), "at '/goGC': maximum: got 100,000, want 1,000"},
		"a privileged port":         {release().with("ports.webhook=443"), "at '/ports/webhook': minimum: got 443, want 1,024"},
		"a digest":                  {release().with("image.digest=e3b0c442"), "at '/image/digest': 'e3b0c442' does not match pattern"},
		"a certificate mode":        {release().with("certificates.mode=manual"), "at '/certificates/mode': value must be one of 'self-managed', 'cert-manager', 'existing-secret'"},
		"a CA in base64":            {release().with("certificates.existingSecret.caBundle=MA=="), "at '/certificates/existingSecret/caBundle': 'MA==' does not match pattern"},
		"a Guardrail's mode":        {release().with("guardrails.mine.mode=deny", "guardrails.mine.policies[0].name=image-tag"), "at '/guardrails/mine/mode': value must be one of 'enforce', 'warn', 'audit'"},
		"a Guardrail of nothing":    {release().with("guardrails.mine.mode=warn"), "at '/guardrails/mine': missing property 'policies'"},
		"a selector's operator":     {release().with("namespaceSelector.matchExpressions[0].key=a", "namespaceSelector.matchExpressions[0].operator=Gt"), "at '/namespaceSelector/matchExpressions/0/operator': value must be one of"},
		"a selector for none of nothing": {
			release().with("namespaceSelector.matchExpressions[0].key=a", "namespaceSelector.matchExpressions[0].operator=In"),
			"at '/namespaceSelector/matchExpressions/0': missing property 'values'",
		},
		"a selector for one of no values": {
			Release{Name: "taffrail", Namespace: "taffrail-system", Values: "namespaceSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}"},
			"at '/namespaceSelector/matchExpressions/0/values': minItems: got 0, want 1",
		},
		"a selector for the values of what is not there": {
			release().with("namespaceSelector.matchExpressions[0].key=a", "namespaceSelector.matchExpressions[0].operator=DoesNotExist", "namespaceSelector.matchExpressions[0].values={b}"),
			"at '/namespaceSelector/matchExpressions/0/values': maxItems: got 1, want 0",
		},
		"a parent's condition without a parent": {release().with("enabled=false"), "enabled false: only a parent chart that names this key as the condition of its dependency can leave Taffrail out"},

		// what is wrong together
		"Fail with one replica": {
			fail.with("replicas=1"),
			"failurePolicy Fail with replicas 1: whenever that Pod is unavailable, requests are refused; write replicas: 2 or more, or failurePolicy: Ignore",
		},
		"Fail with one replica, before it is in force": {
			fail.with("replicas=1", "maxMode=audit"), "failurePolicy Fail with replicas 1",
		},
		"Fail on itself": {
			fail.with("excludeReleaseNamespace=false"),
			"failurePolicy Fail with excludeReleaseNamespace false: once all replicas are gone, their own webhook would refuse the Pods that replace them; write excludeReleaseNamespace: true, or failurePolicy: Ignore",
		},
		"Fail on the cluster": {
			fail.with("excludeNamespaces={kube-public}"),
			"failurePolicy Fail without kube-system in excludeNamespaces: while Taffrail is unavailable, the cluster could not repair its own network or DNS",
		},
		"Fail with a budget for all": {
			fail.with("podDisruptionBudget.maxUnavailable=3"),
			"podDisruptionBudget.maxUnavailable 3 with replicas 3 and failurePolicy Fail: a drain may take every replica at once",
		},
		"Fail without a budget": {
			fail.with("podDisruptionBudget.enabled=false"),
			"failurePolicy Fail with podDisruptionBudget.enabled false: a drain may take every replica at once",
		},
		"a budget for none": {
			release().with("podDisruptionBudget.maxUnavailable=0"),
			"podDisruptionBudget.maxUnavailable 0: no replica could ever be evicted, so the drain of a node would never end; write podDisruptionBudget.maxUnavailable: 1",
		},
		"an existing Secret without a name": {
			release().with("certificates.mode=existing-secret"),
			"certificates.mode existing-secret without certificates.existingSecret.name: Taffrail has no certificate to serve with",
		},
		"an existing Secret without a CA": {
			release().with("certificates.mode=existing-secret", "certificates.existingSecret.name=serving"),
			"certificates.mode existing-secret without certificates.existingSecret.caBundle: the API server would trust no certificate of Taffrail's; pass the CA with --set-file",
		},
		"an issuer without a name": {
			release().with("certificates.certManager.issuerRef.kind=ClusterIssuer"),
			"certificates.certManager.issuerRef without a name",
		},
		"a CA that ends too soon": {
			release().with("certificates.selfManaged.caValidity=2160h"),
			"certificates.selfManaged.caValidity 2160h with certificateValidity 2160h: a CA must outlive what it signs while a new CA takes over; write caValidity: 6480h or more",
		},
		"a CA of cert-manager's that ends too soon": {
			release().with("certificates.certManager.caDuration=6479h"),
			"certificates.certManager.caDuration 6479h with duration 2160h: a CA must outlive what it signs while a new CA takes over; write caDuration: 6480h or more",
		},
		"a renewal before the beginning": {
			release().with("certificates.certManager.renewBefore=2160h"), "certificates.certManager.renewBefore 2160h is not shorter than certificates.certManager.duration 2160h",
		},
		"names without a CA": {
			release().with("clientCA.names={kube-apiserver}"), "clientCA.names without clientCA.configMap: no client certificate is required, so the names would restrict nobody",
		},
		"more in flight than memory": {
			release().with("server.maxInFlightBytes=67108864"),
			"server.maxInFlightBytes 67108864 with resources.limits.memory 512Mi: decoded, requests take 20 times their size, so the kernel would kill Taffrail before it sheds any; write server.maxInFlightBytes: 21474836 or less, or a higher limit",
		},
		"one port for both": {
			release().with("ports.metrics=9443"), "ports.webhook and ports.metrics are both 9443",
		},
		"a port of the kubelet's": {
			release().with("hostNetwork=true", "ports.webhook=10250"), "ports.webhook 10250 with hostNetwork: kubelet or kube-proxy has this port on every node; write another one",
		},
		"a node port": {
			release().with("hostNetwork=true", "ports.metrics=30443"), "ports.metrics 30443 with hostNetwork: a Service of type NodePort may be given this port",
		},
		"a NetworkPolicy for the host's network": {
			release().with("hostNetwork=true", "networkPolicy.enabled=true"), "networkPolicy.enabled with hostNetwork: a NetworkPolicy does not apply to Pods on the host's network",
		},
		"the rights of the default account": {
			release().with("serviceAccount.create=false"), "serviceAccount.create false without serviceAccount.name: the namespace's default account, and with it every Pod there, would get Taffrail's rights",
		},
		"a label that Pods are found by": {
			release().with(`podLabels.app\.kubernetes\.io/name=other`), "podLabels names app.kubernetes.io/name: the Deployment and the Service select their Pods by it; write another label",
		},
		"a Guardrail that matches nothing": {
			release().with(`namespaceSelector.matchLabels.taffrail\.dev/exposure=open`),
			"guardrails.restricted.namespaceSelector wants taffrail.dev/exposure=restricted and namespaceSelector wants taffrail.dev/exposure=open, so it could never match a namespace",
		},
	} {
		t.Run(name, func(t *testing.T) {
			everyHelm(t, func(t *testing.T, h *Helm) {
				_, err := h.Template(t.Context(), test.release)
				failed := new(Error)
				if !errors.As(err, &failed) {
					t.Fatalf("rendered: %v", err)
				}
				if !strings.Contains(failed.Text, test.want) {
					t.Errorf("want %q in:\n%s", test.want, failed.Text)
				}
			})
		})
	}
}

func TestValuesThatAreAccepted(t *testing.T) {
	for name, r := range map[string]Release{
		"one replica that nobody waits for": release().with("replicas=1", "podDisruptionBudget.enabled=false"),
		"Fail before its time":              release().with("failurePolicy=Fail"),
		"its own namespace asked about":     release().with("excludeReleaseNamespace=false"),
		"no limits":                         release().with("resources.limits=null"),
		"a limit in bytes":                  release().with("resources.limits.memory=2000000000"),
		"no Guardrail":                      release().with("guardrails.chapter=null", "guardrails.restricted=null"),
		"an image by digest":                release().with("image.digest=" + digest),
		"an issuer of one's own":            release().with("certificates.mode=cert-manager", "certificates.certManager.issuerRef.name=corporate", "certificates.certManager.issuerRef.kind=ClusterIssuer"),
		"a CA of somebody else's":           release().with("certificates.mode=cert-manager", "certificates.certManager.issuerRef.name=corporate", "certificates.certManager.issuerRef.kind=ClusterIssuer", "certificates.certManager.duration=8760h"),
		"an account of one's own":           release().with("serviceAccount.create=false", "serviceAccount.name=guard"),
		"ports of the node":                 release().with("hostNetwork=true", "ports.webhook=9543"),
		"a label that must be there":        release().with("namespaceSelector.matchExpressions[0].key=a", "namespaceSelector.matchExpressions[0].operator=Exists"),
		"values for subcharts":              release().with("global.region=eu-central-1"),
	} {
		t.Run(name, func(t *testing.T) {
			everyHelm(t, func(t *testing.T, h *Helm) { render(t, h, r) })
		})
	}
}
