package pipeline

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// madeFromCronJob returns the fields that a Job shares with its CronJob. A field counts for a
// binding only if that binding finds the same in the CronJob and no Exemption exempts it there.
func (d *Decider) madeFromCronJob(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding) (restored, error) {
	found, cronJob, err := compareWithCronJob(ctx, r, d.options.Live)
	if err != nil || found.has == nil {
		return found, err
	}
	found.decided = func(int, *decision.Finding) bool { return false }
	kind := batchv1.SchemeGroupVersion.WithKind("CronJob")
	stored, err := request.Stored(r, cronJob, kind)
	if unreadable(err) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	position := map[int]int{}
	var about []config.AppliedBinding
	for i := range bindings {
		if slices.Contains(bindings[i].Policy.Kinds, kind.GroupKind()) {
			position[i], about = len(about), append(about, bindings[i])
		}
	}
	if len(about) == 0 {
		return found, nil
	}
	results, _, err := d.evaluate(ctx, stored, about, nil, d.plannerFor(stored), storedRequest)
	if err != nil {
		return found, err
	}
	exemptions := d.snapshot.Exemptions().For(stored, d.options.Now())
	found.decided = func(binding int, f *decision.Finding) bool {
		at, ok := position[binding]
		return ok && len(exemptions.Exempting(bindings[binding].Guardrail, f.Policy, f.Container)) == 0 && slices.ContainsFunc(results[at].Violations, func(v decision.Violation) bool {
			return v.Unknown == "" && v.Container == f.Container && (v.Path == "spec.jobTemplate."+f.Path || !decision.FieldPath(f.Path).Within("spec"))
		})
	}
	return found, nil
}

func unreadable(err error) bool {
	_, field := errors.AsType[*request.FieldError](err)
	_, limit := errors.AsType[*request.LimitError](err)
	return field || limit
}

// jobLabels returns the labels that the API server adds to the template of a Job, and to the
// Job itself if it only has the template's labels.
func jobLabels() []string {
	return []string{batchv1.ControllerUidLabel, batchv1.JobNameLabel, "controller-uid", "job-name"}
}

// compareWithCronJob returns the fields that a Job shares with the CronJob that it names as its
// controller, as after `kubectl create job --from=cronjob/x`, and that CronJob.
func compareWithCronJob(ctx context.Context, r *decision.Request, live Live) (restored, map[string]any, error) {
	owner := request.Controller(r.Object)
	if owner.Group != batchv1.GroupName || owner.Kind != "CronJob" || owner.Name == "" || owner.UID == "" {
		return restored{}, nil, nil
	}
	cronJob, err := live.CronJob(ctx, r.Namespace.Name, owner.Name)
	if err != nil {
		return restored{}, nil, err
	}
	if uid, _, _ := unstructured.NestedString(cronJob, "metadata", "uid"); uid != owner.UID {
		return restored{}, nil, nil
	}
	made := jobOf(cronJob)
	have, want := request.JobSpec(mapOf(r.Object, "spec")), mapOf(made, "spec")
	metadata, given := mapOf(r.Object, "metadata"), mapOf(made, "metadata")
	template := request.SameTemplate(mapOf(have, "template"), mapOf(want, "template"), jobLabels()...)
	return restored{why: "as in CronJob " + owner.Name, has: func(path string) bool {
		switch field := topField(path, "spec."); field {
		case "":
		case "template":
			return template
		default:
			return reflect.DeepEqual(have[field], want[field])
		}
		switch field := topField(path, "metadata."); field {
		case "namespace":
			return template // copied from the CronJob
		case "labels":
			return sameEntries(mapOf(metadata, field), mapOf(given, field), jobLabels()...)
		case "annotations":
			return sameEntries(mapOf(metadata, field), mapOf(given, field), instantiated)
		}
		return false
	}}, cronJob, nil
}

// instantiated is the annotation that kubectl sets on a Job created from a CronJob by hand.
const instantiated = "cronjob.kubernetes.io/instantiate"

// jobOf returns the Job that the API server stores for a CronJob, without the generated labels
// that tell the Pods of different Jobs apart. A Job without labels gets those of its template.
func jobOf(cronJob map[string]any) map[string]any {
	jobTemplate := mapOf(mapOf(cronJob, "spec"), "jobTemplate")
	spec, metadata := request.JobSpec(mapOf(jobTemplate, "spec")), mapOf(jobTemplate, "metadata")
	if len(mapOf(metadata, "labels")) == 0 {
		metadata = map[string]any{"annotations": metadata["annotations"], "labels": mapOf(mapOf(mapOf(spec, "template"), "metadata"), "labels")}
	}
	return map[string]any{"metadata": metadata, "spec": spec}
}

func sameEntries(a, b map[string]any, ignored ...string) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	for _, name := range ignored {
		delete(a, name)
		delete(b, name)
	}
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}

// topField returns the field directly below prefix that a path is in, or "".
func topField(path, prefix string) string {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok {
		return ""
	}
	return decision.FieldPath(rest).First()
}
