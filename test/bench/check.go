package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// checkedFiles is how many manifests `taffrail check` reads at once.
const checkedFiles = 5000

// checkRuns is how often each engine does it. The runs take turns.
const checkRuns = 3

// checkTable measures `taffrail check` of many files, as in a repository of manifests.
func checkTable(ctx context.Context, o options) error {
	dir, clean, err := build(ctx)
	if err != nil {
		return err
	}
	defer clean()
	manifests := filepath.Join(dir, "manifests")
	if err := writeManifests(o, manifests); err != nil {
		return err
	}
	rows := [][]string{{"run", "CPU", "per file", "wall clock", "peak memory"}}
	for run := range checkRuns {
		for _, engine := range []string{"topdown", "compiled"} {
			row, err := check(ctx, filepath.Join(dir, programName), "--engine="+engine, manifests)
			if err != nil {
				return err
			}
			rows = append(rows, append([]string{engine + ", run " + strconv.Itoa(run+1)}, row...))
		}
	}
	return table(fmt.Sprintf("taffrail check of %d files, of which a fifth has findings", checkedFiles), rows)
}

const programName = "taffrail"

// build makes the program that is measured in a folder of its own, which clean removes.
func build(ctx context.Context) (dir string, clean func(), err error) {
	if dir, err = os.MkdirTemp("", "taffrail-bench"); err != nil {
		return "", nil, err
	}
	clean = func() { _ = os.RemoveAll(dir) }
	command := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, programName), "./cmd/taffrail")
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		clean()
		return "", nil, fmt.Errorf("building taffrail in the repository's root: %w", err)
	}
	return dir, clean, nil
}

func check(ctx context.Context, program string, arguments ...string) ([]string, error) {
	command := exec.CommandContext(ctx, program, append([]string{"check"}, arguments...)...)
	var problems strings.Builder
	command.Stderr = &problems
	began := time.Now()
	err := command.Run()
	elapsed := time.Since(began)
	const findings = 1 // the exit code for them
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != findings {
		return nil, fmt.Errorf("taffrail check: %w: %s", err, problems.String())
	}
	cpu, peak := usageOf(command.ProcessState)
	return []string{short(cpu), short(cpu / checkedFiles), short(elapsed), mebibytes(peak)}, nil
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }

// writeManifests writes each object to a file of its own.
func writeManifests(o options, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	objects, err := manifests(o)
	if err != nil {
		return err
	}
	for i := range checkedFiles {
		object := objects[i%len(objects)]
		metadata, _ := object["metadata"].(map[string]any)
		metadata["name"] = fmt.Sprintf("app-%d", i)
		text, err := yaml.Marshal(object)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.yaml", i)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func manifests(o options) ([]map[string]any, error) {
	var all []map[string]any
	for _, file := range []string{"22_deployment_backend-app_k8s.yaml.template", "23_service_backend-app_k8s.yaml", "43_cronjob_k8s.yaml.template"} {
		object, err := chapterObject(o.chapter, file)
		if err != nil {
			return nil, err
		}
		all = append(all, object)
	}
	all[1]["spec"].(map[string]any)["type"] = "ClusterIP"
	batch(all[2])
	settings := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{},
		"data": map[string]any{"settings.properties": strings.Repeat("server.name = backend.eks-work.svc.cluster.local\n", 40)},
	}
	return append(all, settings, spoiled(all[0])), nil
}
