package request_test

import (
	"testing"

	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

func TestCount(t *testing.T) {
	scaled := &decision.Autoscaler{Name: "web", MinReplicas: 3, MaxReplicas: 10}
	rolling := func(replicas, unavailable, surge string) string {
		return "{apiVersion: apps/v1, kind: Deployment, spec: {replicas: " + replicas +
			", strategy: {rollingUpdate: {maxUnavailable: " + unavailable + ", maxSurge: " + surge + "}}}}"
	}
	for name, test := range map[string]struct {
		manifest   string
		autoscaler *decision.Autoscaler
		want       decision.PodCount
	}{
		"the default of one":         {"{apiVersion: apps/v1, kind: Deployment, spec: {}}", nil, decision.PodCount{Steady: 1, Max: 1, Surge: 1}},
		"the default of four":        {"{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 4}}", nil, decision.PodCount{Steady: 4, Max: 4, Surge: 1, Unavailable: 1}},
		"a share is rounded":         {rolling("3", "50%", "50%"), nil, decision.PodCount{Steady: 3, Max: 3, Surge: 2, Unavailable: 1}},
		"never both nothing":         {rolling("1", "25%", "0"), nil, decision.PodCount{Steady: 1, Max: 1, Unavailable: 1}},
		"all":                        {rolling("2", "100%", "0"), nil, decision.PodCount{Steady: 2, Max: 2, Unavailable: 2}},
		"leading zeros":              {rolling("4", "'025%'", "0"), nil, decision.PodCount{Steady: 4, Max: 4, Unavailable: 1}},
		"of none":                    {rolling("0", "50%", "50%"), nil, decision.PodCount{Unavailable: 1}},
		"what is no number":          {rolling("2", "abc", "[]"), nil, decision.PodCount{Steady: 2, Max: 2, Unavailable: 1}},
		"a surge that is no number":  {rolling("2", "1", "abc"), nil, decision.PodCount{Steady: 2, Max: 2, Unavailable: 1}},
		"numbers":                    {rolling("9", "2", "3"), nil, decision.PodCount{Steady: 9, Max: 9, Surge: 3, Unavailable: 2}},
		"a rollout of others":        {"{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 2, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}}", nil, decision.PodCount{Steady: 2, Max: 2}},
		"scaled to less":             {"{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 2}}", &decision.Autoscaler{MinReplicas: 1, MaxReplicas: 1}, decision.PodCount{Steady: 2, Max: 2}},
		"a Job that has failed":      {"{apiVersion: batch/v1, kind: Job, spec: {}, status: {conditions: [{type: Suspended, status: 'True'}, {type: Failed, status: 'True'}]}}", nil, decision.PodCount{}},
		"a Job that has not":         {"{apiVersion: batch/v1, kind: Job, spec: {}, status: {conditions: [{type: Failed, status: 'False'}, {type: Complete, status: Unknown}, {type: Other, status: 'True'}]}}", nil, decision.PodCount{Steady: 1, Max: 1}},
		"no Pods at once":            {"{apiVersion: batch/v1, kind: Job, spec: {parallelism: 0}}", nil, decision.PodCount{}},
		"a suspended run":            {"{apiVersion: batch/v1, kind: CronJob, spec: {jobTemplate: {spec: {parallelism: 2, suspend: true}}}}", nil, decision.PodCount{}},
		"no rollout":                 {"{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 2, strategy: {type: Recreate}}}", nil, decision.PodCount{Steady: 2, Max: 2}},
		"an autoscaler":              {"{apiVersion: apps/v1, kind: Deployment, spec: {}}", scaled, decision.PodCount{Steady: 3, Max: 10, Surge: 1}},
		"more than it requests":      {"{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 12}}", scaled, decision.PodCount{Steady: 12, Max: 12}},
		"none, and it is off":        {"{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 0}}", scaled, decision.PodCount{}},
		"parallel Pods":              {"{apiVersion: batch/v1, kind: Job, spec: {parallelism: 3, completions: 5}}", nil, decision.PodCount{Steady: 3, Max: 3}},
		"no more than are to end":    {"{apiVersion: batch/v1, kind: Job, spec: {parallelism: 8, completions: 5}}", nil, decision.PodCount{Steady: 5, Max: 5}},
		"a work queue":               {"{apiVersion: batch/v1, kind: Job, spec: {parallelism: 3}}", nil, decision.PodCount{Steady: 3, Max: 3}},
		"a suspended Job":            {"{apiVersion: batch/v1, kind: Job, spec: {parallelism: 3, suspend: true}}", nil, decision.PodCount{}},
		"a Job that is done":         {"{apiVersion: batch/v1, kind: Job, spec: {}, status: {conditions: [{type: Complete, status: 'True'}]}}", nil, decision.PodCount{}},
		"a suspended CronJob":        {"{apiVersion: batch/v1, kind: CronJob, spec: {suspend: true}}", nil, decision.PodCount{}},
		"one run":                    {"{apiVersion: batch/v1, kind: CronJob, spec: {jobTemplate: {spec: {parallelism: 2}}}}", nil, decision.PodCount{Steady: 2, Max: 2}},
		"a node at least":            {"{apiVersion: apps/v1, kind: DaemonSet, spec: {}}", nil, decision.PodCount{Steady: 1, Max: 1}},
		"as many nodes as last seen": {"{apiVersion: apps/v1, kind: DaemonSet, spec: {}, status: {desiredNumberScheduled: 7}}", nil, decision.PodCount{Steady: 7, Max: 7}},
		"a Pod":                      {"{apiVersion: v1, kind: Pod, spec: {}}", nil, decision.PodCount{Steady: 1, Max: 1}},
	} {
		r, err := request.Manifest(parse(t, test.manifest), "shop")
		if err != nil {
			t.Fatal(err)
		}
		r.Workload.Autoscaler = test.autoscaler
		if got := request.Count(r); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}
