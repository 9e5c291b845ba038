package request_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taffrail.dev/webhook/request"
)

// The defaults of each kind for the fields that policies read, as shown by `kubectl get` after `kubectl create`
// of a minimal object.
func TestAllDefaultsOfEachKind(t *testing.T) {
	const (
		podSpec  = `"restartPolicy":"Always","terminationGracePeriodSeconds":30`
		template = `"template":{"spec":{` + podSpec + `}}`
		job      = `"suspend":false,"completionMode":"NonIndexed"`
		old      = `"podReplacementPolicy":"TerminatingOrFailed"`
		failed   = `"podReplacementPolicy":"Failed"`
		rolling  = `"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}}`
		updating = `"updateStrategy":{"type":"RollingUpdate"}`
		probe    = `"initialDelaySeconds":0,"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3`
		empty    = `"template":{"spec":{}}`
		never    = `"template":{"spec":{"restartPolicy":"Never","terminationGracePeriodSeconds":0}}`
	)
	containers := func(list, fields string) string { return `"` + list + `":[{"name":"a",` + fields + `}]` }
	for _, test := range []struct{ kind, sent, stored string }{
		{"v1/Pod", ``, podSpec},
		{"v1/Pod", `"restartPolicy":"Never","terminationGracePeriodSeconds":0`, `"restartPolicy":"Never","terminationGracePeriodSeconds":0`},
		{"v1/Pod", `"restartPolicy":null,"terminationGracePeriodSeconds":null`, podSpec},
		{"v1/ReplicationController", empty, `"replicas":1,` + template}, {"v1/ReplicationController", `"replicas":0,` + never, `"replicas":0,` + never},
		{"apps/v1/ReplicaSet", empty, `"replicas":1,` + template}, {"apps/v1/ReplicaSet", `"replicas":2,` + never, `"replicas":2,` + never},
		{"apps/v1/Deployment", empty, `"replicas":1,"revisionHistoryLimit":10,"progressDeadlineSeconds":600,` + rolling + `,` + template},
		{
			"apps/v1/Deployment", `"replicas":0,"revisionHistoryLimit":0,"progressDeadlineSeconds":9,"strategy":{"type":"Recreate"},` + never,
			`"replicas":0,"revisionHistoryLimit":0,"progressDeadlineSeconds":9,"strategy":{"type":"Recreate"},` + never,
		},
		{
			"apps/v1/Deployment", `"strategy":{"rollingUpdate":{"maxSurge":1}},` + empty,
			`"replicas":1,"revisionHistoryLimit":10,"progressDeadlineSeconds":600,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":1}},` + template,
		},
		{"apps/v1/StatefulSet", empty, `"replicas":1,"revisionHistoryLimit":10,` + updating + `,` + template},
		{"apps/v1/StatefulSet", `"replicas":0,"revisionHistoryLimit":0,"updateStrategy":{"type":"OnDelete"},` + never, `"replicas":0,"revisionHistoryLimit":0,"updateStrategy":{"type":"OnDelete"},` + never},
		{"apps/v1/DaemonSet", empty, `"revisionHistoryLimit":10,` + updating + `,` + template},
		{"apps/v1/DaemonSet", `"revisionHistoryLimit":0,"updateStrategy":{"type":"OnDelete"},` + never, `"revisionHistoryLimit":0,"updateStrategy":{"type":"OnDelete"},` + never},
		{"batch/v1/Job", empty, `"completions":1,"parallelism":1,"backoffLimit":6,` + job + `,` + old + `,` + template},
		{"batch/v1/Job", `"parallelism":3,` + empty, `"parallelism":3,"backoffLimit":6,` + job + `,` + old + `,` + template},
		{"batch/v1/Job", `"completions":3,` + empty, `"completions":3,"parallelism":1,"backoffLimit":6,` + job + `,` + old + `,` + template},
		{"batch/v1/Job", `"backoffLimitPerIndex":1,` + empty, `"completions":1,"parallelism":1,"backoffLimitPerIndex":1,"backoffLimit":2147483647,` + job + `,` + old + `,` + template},
		{"batch/v1/Job", `"podFailurePolicy":{},` + empty, `"completions":1,"parallelism":1,"backoffLimit":6,"podFailurePolicy":{},` + job + `,` + failed + `,` + template},
		{
			"batch/v1/Job", `"backoffLimit":0,"suspend":true,"completionMode":"Indexed","podReplacementPolicy":"Failed",` + never,
			`"completions":1,"parallelism":1,"backoffLimit":0,"suspend":true,"completionMode":"Indexed","podReplacementPolicy":"Failed",` + never,
		},
		{
			"batch/v1/CronJob", `"schedule":"* * * * *","jobTemplate":{"spec":{` + empty + `}}`,
			`"schedule":"* * * * *","concurrencyPolicy":"Allow","suspend":false,"successfulJobsHistoryLimit":3,"failedJobsHistoryLimit":1,"jobTemplate":{"spec":{` + template + `}}`,
		},
		{
			"batch/v1/CronJob", `"schedule":"* * * * *","concurrencyPolicy":"Forbid","suspend":true,"successfulJobsHistoryLimit":0,"failedJobsHistoryLimit":0,"jobTemplate":{"spec":{` + never + `}}`,
			`"schedule":"* * * * *","concurrencyPolicy":"Forbid","suspend":true,"successfulJobsHistoryLimit":0,"failedJobsHistoryLimit":0,"jobTemplate":{"spec":{` + never + `}}`,
		},
		{"v1/Service", ``, `"type":"ClusterIP"`}, {"v1/Service", `"type":"NodePort"`, `"type":"NodePort"`},

		{"v1/Pod", containers("containers", `"livenessProbe":{"exec":{}},"readinessProbe":{"exec":{}},"startupProbe":{"exec":{}}`), podSpec + `,` +
			containers("containers", `"livenessProbe":{"exec":{},`+probe+`},"readinessProbe":{"exec":{},`+probe+`},"startupProbe":{"exec":{},`+probe+`}`)},
		{"v1/Pod", containers("initContainers", `"startupProbe":{"exec":{}}`), podSpec + `,` + containers("initContainers", `"startupProbe":{"exec":{},`+probe+`}`)},
		{"v1/Pod", containers("containers", `"livenessProbe":{"httpGet":{"port":1},"timeoutSeconds":0,"periodSeconds":0,"successThreshold":0,"failureThreshold":0}`), podSpec + `,` +
			containers("containers", `"livenessProbe":{"httpGet":{"port":1,"path":"/","scheme":"HTTP"},`+probe+`}`)},
		{"v1/Pod", containers("containers", `"resources":{"limits":{"cpu":"1","memory":"2"},"requests":{"cpu":"0.5"}}`), podSpec + `,` +
			containers("containers", `"resources":{"limits":{"cpu":"1","memory":"2"},"requests":{"cpu":"0.5","memory":"2"}}`)},
		{"v1/Pod", containers("initContainers", `"resources":{"limits":{"cpu":"1"}}`), podSpec + `,` + containers("initContainers", `"resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1"}}`)},
		{"v1/Pod", containers("containers", `"resources":{"requests":{"cpu":"1"}}`), podSpec + `,` + containers("containers", `"resources":{"requests":{"cpu":"1"}}`)},
	} {
		at := len(test.kind) - 1
		for test.kind[at] != '/' {
			at--
		}
		object := func(spec string) string {
			return fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"a"},"spec":{%s}}`, test.kind[:at], test.kind[at+1:], spec)
		}
		r, err := request.Manifest(parse(t, object(test.sent)), "default")
		if err != nil {
			t.Errorf("%s %s: %v", test.kind, test.sent, err)
			continue
		}
		if diff := cmp.Diff(parse(t, object(test.stored)), r.Object); diff != "" {
			t.Errorf("%s %s: %s", test.kind, test.sent, diff)
		}
	}
}
