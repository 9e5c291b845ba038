package pipeline

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/request"
)

// madeFromCronJob returns the fields that a Job shares with its CronJob. A field counts for a
// binding only if that binding finds the same in the CronJob and no Exemption exempts it there.
func (d *Decider) madeFromCronJob(ctx context.Context, r *decision.Request, bindings []config.AppliedBinding) (existingFields, error) {
	found, cronJob, err := compareWithCronJob(ctx, r, d.options.Live)
	if err != nil || found.cronJob == nil {
		return found, err
	}
	stored, err := request.Stored(r, cronJob, cronJobKind)
	if unreadable(err) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	var about []config.AppliedBinding
	var index []int // in bindings
	for i := range bindings {
		if slices.Contains(bindings[i].Policy.Kinds, cronJobKind.GroupKind()) {
			about, index = append(about, bindings[i]), append(index, i)
		}
	}
	if len(about) == 0 {
		return found, nil
	}
	results, _, err := d.evaluate(ctx, stored, about, nil, d.plannerFor(stored), newObject)
	if err != nil {
		return found, err
	}
	exemptions := d.snapshot.Exemptions().For(stored, d.options.Now())
	for i := range about {
		for _, v := range results[i].Violations {
			if v.Unknown == "" && len(exemptions.Exempting(about[i].Guardrail, about[i].Policy.ID, v.Container)) == 0 {
				found.cronJob.violations[index[i]] = append(found.cronJob.violations[index[i]], v)
			}
		}
	}
	return found, nil
}

// cronJobFields relates a Job to its CronJob.
type cronJobFields struct {
	// changed has the fields of the Job's spec, by name, that are not those of the CronJob.
	changed map[string]bool
	// violations of the CronJob by the index of the binding, without undecided and exempted
	// ones.
	violations map[int][]decision.Violation
}

// hasSpec reports whether a path is below a field of the spec that is that of the CronJob.
func (fields *cronJobFields) hasSpec(path string) bool {
	name := topField(path, "spec.")
	return name != "" && !fields.changed[name]
}

// hasFinding reports whether the candidate's binding finds the same in the CronJob.
func (fields *cronJobFields) hasFinding(c *candidate) bool {
	f := &c.finding
	return slices.ContainsFunc(fields.violations[c.binding], func(v decision.Violation) bool {
		return v.Container == f.Container && (v.Path == "spec.jobTemplate."+f.Path || !decision.FieldPath(f.Path).Within("spec"))
	})
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
func compareWithCronJob(ctx context.Context, r *decision.Request, live Live) (existingFields, map[string]any, error) {
	owner := request.Controller(r.Object)
	if owner.Group != batchv1.GroupName || owner.Kind != "CronJob" || owner.Name == "" || owner.UID == "" {
		return existingFields{}, nil, nil
	}
	cronJob, err := live.CronJob(ctx, r.Namespace.Name, owner.Name)
	if err != nil {
		return existingFields{}, nil, err
	}
	if uid := decision.StringAt(cronJob, "metadata", "uid"); uid != owner.UID {
		return existingFields{}, nil, nil
	}
	made := jobOf(cronJob)
	have, want := request.JobSpec(decision.MapAt(r.Object, "spec")), decision.MapAt(made, "spec")
	metadata, given := decision.MapAt(r.Object, "metadata"), decision.MapAt(made, "metadata")
	template := request.SameTemplate(decision.MapAt(have, "template"), decision.MapAt(want, "template"), jobLabels()...)
	found := existingFields{why: "as in CronJob " + owner.Name, cronJob: &cronJobFields{changed: map[string]bool{}, violations: map[int][]decision.Violation{}}}
	for _, spec := range []map[string]any{have, want} {
		for name := range spec {
			found.cronJob.changed[name] = !reflect.DeepEqual(have[name], want[name])
		}
	}
	found.cronJob.changed["template"] = !template
	if template {
		found.fields = append(found.fields, "metadata.namespace") // copied from the CronJob
	}
	if sameEntries(decision.MapAt(metadata, "labels"), decision.MapAt(given, "labels"), jobLabels()...) {
		found.fields = append(found.fields, "metadata.labels")
	}
	if sameEntries(decision.MapAt(metadata, "annotations"), decision.MapAt(given, "annotations"), instantiated) {
		found.fields = append(found.fields, "metadata.annotations")
	}
	return found, cronJob, nil
}

// instantiated is the annotation that kubectl sets on a Job created from a CronJob by hand.
const instantiated = "cronjob.kubernetes.io/instantiate"

// jobOf returns the Job that the API server stores for a CronJob, without the generated labels
// that tell the Pods of different Jobs apart. A Job without labels gets those of its template.
func jobOf(cronJob map[string]any) map[string]any {
	jobTemplate := decision.MapAt(cronJob, "spec", "jobTemplate")
	spec, metadata := request.JobSpec(decision.MapAt(jobTemplate, "spec")), decision.MapAt(jobTemplate, "metadata")
	if len(decision.MapAt(metadata, "labels")) == 0 {
		metadata = map[string]any{"annotations": metadata["annotations"], "labels": decision.MapAt(spec, "template", "metadata", "labels")}
	}
	return map[string]any{"metadata": metadata, "spec": spec}
}

// topField returns the field directly below prefix that a path is in, or "".
func topField(path, prefix string) string {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok {
		return ""
	}
	return decision.FieldPath(rest).First()
}
