package main

import (
	"context"
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"taffrail.dev/test/harness"
)

// The namespaces, and what each of them shows. The built-in Guardrails apply to all of them.
const (
	// work is under the chapter's own Guardrail only.
	work = "eks-work"
	// opted has the label with which a namespace opts in to another Guardrail.
	opted = "eks-restricted"
	// told is served by a Taffrail with --max-mode=warn, observed by one with --max-mode=audit: what a cluster
	// shows before anything is denied.
	told     = "eks-warn"
	observed = "eks-observe"
)

// scene is the control plane with everything in it.
type scene struct {
	*harness.Harness
	say func(string)

	// refusal is the denial that is shown in full; refusedFile is its manifest.
	refusal, refusedFile string
}

// prepare sets up what an administrator provides.
func (s *scene) prepare(ctx context.Context) error {
	s.say("starting taffrail serve: as it is, with --max-mode=warn, and with --max-mode=audit")
	for _, ceiling := range []string{"", "warn", "audit"} {
		name := "taffrail"
		if ceiling != "" {
			name += "-" + ceiling
		}
		server, err := s.NewServer(ctx, harness.ServerOptions{Name: name, MaxMode: ceiling})
		if err != nil {
			return err
		}
		if err := s.Register(ctx, harness.Registration{
			Name: name, Main: ceiling == "", Address: server.Address(), FailurePolicy: admissionregistrationv1.Fail,
		}); err != nil {
			return err
		}
	}
	s.say("installing the built-in Guardrails")
	guardrails, err := harness.DefaultGuardrails()
	if err != nil {
		return err
	}
	for i := range guardrails {
		condition, err := s.PutGuardrail(ctx, &guardrails[i])
		if err != nil {
			return err
		}
		if condition.Reason != "Compiled" {
			return fmt.Errorf("the built-in Guardrail %s: %s", guardrails[i].Name, condition.Message)
		}
	}
	for namespace, labels := range map[string]map[string]string{
		opted:    {"taffrail.dev/exposure": "restricted"},
		told:     {harness.ServerLabel: "taffrail-warn"},
		observed: {harness.ServerLabel: "taffrail-audit"},
	} {
		if err := s.Namespace(ctx, namespace, labels); err != nil {
			return err
		}
	}
	s.say("waiting for the API server to call the webhooks")
	if err := s.AwaitEnforcement(ctx, opted); err != nil {
		return err
	}
	for namespace, sign := range map[string]string{told: "warning", observed: "recorded"} {
		if err := s.awaitSign(ctx, namespace, sign); err != nil {
			return err
		}
	}
	return nil
}

// awaitSign waits until both webhooks warn about a violating Pod, or record it.
func (s *scene) awaitSign(ctx context.Context, namespace, sign string) error {
	return harness.Eventually(ctx, sign+"s in "+namespace, func(ctx context.Context) error {
		answer := s.Alice.Create(ctx, harness.ProbePod(namespace, "registry.example/probe"), client.DryRunAll)
		if answer.Err != nil {
			return answer.Err
		}
		event, err := s.AuditedAnswer(ctx, answer)
		if err != nil {
			return err
		}
		for _, key := range []string{"mutate.taffrail.dev/inject-resources", "validate.taffrail.dev/image-tag"} {
			if event.Annotations[key] == "" {
				return fmt.Errorf("the audit log has no %s", key)
			}
		}
		return nil
	})
}

// play applies the chapter's manifests in every namespace, as Alice.
func (s *scene) play(ctx context.Context) ([]row, error) {
	manifests, err := harness.Chapter(s.Root)
	if err != nil {
		return nil, err
	}
	s.say("applying the chapter's manifests as alice")
	var rows []row
	// Only an administrator may create the chapter's namespace.
	for _, manifest := range manifests {
		object, err := manifest.Object()
		if err != nil {
			return nil, err
		}
		if object.GetKind() != "Namespace" {
			continue
		}
		if err := s.Namespace(ctx, object.GetName(), object.GetLabels()); err != nil {
			return nil, err
		}
		rows = append(rows, row{file: manifest.File, object: "Namespace " + object.GetName(), outcome: outcome{verdict: admitted}})
	}
	for _, namespace := range []string{work, opted, told, observed} {
		for _, manifest := range manifests {
			if namespace == opted && !strings.HasPrefix(manifest.File, "23_service") {
				continue // nothing else differs from eks-work
			}
			r, err := s.apply(ctx, manifest, namespace)
			if err != nil {
				return nil, err
			}
			if r == nil {
				continue
			}
			rows = append(rows, *r)
			if strings.HasPrefix(r.object, "CronJob ") && r.verdict != denied {
				more, err := s.runJob(ctx, namespace, strings.TrimPrefix(r.object, "CronJob "))
				if err != nil {
					return nil, err
				}
				rows = append(rows, more...)
			}
		}
	}
	return rows, nil
}

// apply creates or updates an object. It returns nothing for a Namespace.
func (s *scene) apply(ctx context.Context, manifest harness.Manifest, namespace string) (*row, error) {
	object, err := manifest.Object()
	if err != nil || object.GetKind() == "Namespace" {
		return nil, err
	}
	object.SetNamespace(namespace)
	answer := s.Alice.Apply(ctx, object)
	r := &row{file: manifest.File, object: object.GetKind() + " " + object.GetName(), namespace: namespace}
	if r.outcome, err = s.outcomeOf(ctx, answer); err != nil {
		return nil, fmt.Errorf("%s in %s: %w", manifest.File, namespace, err)
	}
	if object.GetKind() == "Pod" && namespace == work && r.verdict == denied {
		s.refusal, s.refusedFile = answer.Err.Error(), manifest.File
	}
	return r, nil
}

// runJob creates a Job from a CronJob, as kubectl create job --from does, and inspects the Pod that the job
// controller creates.
func (s *scene) runJob(ctx context.Context, namespace, cronJob string) ([]row, error) {
	job, err := s.JobFrom(ctx, namespace, cronJob, cronJob+"-manual")
	if err != nil {
		return nil, err
	}
	made := row{file: "create job --from", object: "Job " + job.Name, namespace: namespace}
	if made.outcome, err = s.outcomeOf(ctx, s.Alice.Create(ctx, job)); err != nil {
		return nil, err
	}
	if made.verdict == denied {
		return []row{made}, nil
	}
	var pods corev1.PodList
	if err := harness.Eventually(ctx, "the job-controller to make a Pod", func(ctx context.Context) error {
		err := s.Alice.Client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{"job-name": job.Name})
		if err == nil && len(pods.Items) == 0 {
			err = fmt.Errorf("there is none")
		}
		return err
	}); err != nil {
		return nil, err
	}
	pod := row{file: "job-controller", object: "Pod of " + job.Name, namespace: namespace, outcome: outcome{verdict: admitted}}
	// The Job's template sets no resources, so whatever the Pod has was filled in.
	if values := resourcesOf(&pods.Items[0].Spec.Containers[0]); len(values) > 0 {
		pod.outcome = outcome{verdict: patched, values: values}
	}
	return []row{made, pod}, nil
}
