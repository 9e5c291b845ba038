package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/replay"
	"taffrail.dev/webhook/replay/auditlog"
	"taffrail.dev/webhook/report"
)

// replayFlags are the flags of taffrail replay.
type replayFlags struct {
	configurationFlags
	namespaces     []string
	since, until   string
	against        []string
	exclude        []string
	suggest        string
	coverage       bool
	verbose        bool
	output, failOn *choice
}

func newReplayCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "replay [FILE|DIR|-]…",
		Short: "Decide the writes in an audit log of the API server",

		SuggestFor: []string{"simulate", "history", "whatif", "dry-run"},
		Long: `Decide the writes in an audit log of the API server as the webhook would have decided
them: with the users, the stored objects and the facts of that moment. It answers what
Taffrail would have refused before it is installed, and, with --against, what a change of
the configuration would have changed.

It reads audit.k8s.io/v1 events from files, from folders and everything below them, and
from standard input: JSON lines and lists, compressed with gzip or zstd or not, as the API
server writes them, and as CloudWatch exports, prints and delivers them and Azure Monitor
does. Several files are merged by time. Lines that cannot be read are counted and named.

What is not in the log is unknown: objects at level Metadata, the stored object before an
update if the log begins later, and the LimitRanges and labels of namespaces that are older
than the log, unless --facts or --live have them. --coverage shows what a log has.

Without --config, the built-in Guardrails apply. Modes are those of the Guardrails, as if
they had been in force since before the log begins.

With --against, each write is decided a second time, by the configuration in these files,
and only what differs is reported. The exit code is 1 if a write would be newly denied, and
with --fail-on=unknown also if that is uncertain.

Files are read twice, because facts of today do not show what they were before the log
changes them. Standard input is read once.

` + exitHelp,
		Example: `  taffrail replay --coverage audit.log
  taffrail replay --facts facts.yaml audit/
  kubectl get ns,limits,quota,hpa,pvc,sc -A -o yaml > facts.yaml
  taffrail replay -n shop --since 7d -o json audit/
  taffrail replay -c guardrails/ --against proposed/ audit/`,
	}
	var f replayFlags
	f.orBuiltIn = true
	f.add(command)
	flags := command.Flags()
	flags.StringSliceVarP(&f.namespaces, "namespace", "n", nil, "report the writes of this namespace only (repeatable; default: all namespaces)")
	flags.StringVar(&f.since, "since", "", "report writes from this time on: 7d, 12h, 2026-11-01, or 2026-11-01T08:00:00Z; earlier ones are read for what they stored")
	flags.StringVar(&f.until, "until", "", "ignore writes after this time, in the same notation")
	flags.StringArrayVar(&f.against, "against", nil, "file or folder of a second configuration; report only what differs under it (repeatable)")
	flags.StringSliceVar(&f.exclude, "exclude", replay.DefaultExclude(), "namespace that the webhook configurations do not send (repeatable)")
	flags.StringVar(&f.suggest, "suggest", "", "write suggested Exemptions and trusted writers to files in this folder, for you to review")
	command.MarkFlagsMutuallyExclusive("against", "suggest")
	flags.BoolVar(&f.coverage, "coverage", false, "report what the log contains, and decide nothing")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "list every workload")
	f.output = addChoice(command, "output", "o", "output format", "text", "json", "html")
	f.failOn = addFailOn(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		return replayLog(command.Context(), command, args, &f)
	}
	return command
}

var (
	errNoLog     = errors.New("nothing to replay: name files or folders, or pipe in an audit log")
	errUnreadLog = errors.New("some files could not be read, or not to the end")
	errFailOn    = errors.New("--fail-on=warn cannot be used with --against, which reports only what differs")
	errNoEvents  = errors.New("there is no audit event in the input")
	errGKE       = errors.New("the input is in the format of Google Cloud's audit log, which does not have the objects as the API server stores them: it cannot be replayed")
)

func replayLog(ctx context.Context, command *cobra.Command, args []string, f *replayFlags) error {
	paths, err := f.paths(command, args)
	if err != nil {
		return err
	}
	failOn, err := decision.ParseVerdict(f.failOn.value)
	if err != nil {
		return err
	}
	collect := replay.CollectorOptions{Namespaces: f.namespaces, Against: len(f.against) > 0}
	if failOn == decision.VerdictWarn && collect.Against {
		return &usageError{errFailOn}
	}
	progress := newProgress(command.ErrOrStderr())
	defer progress.end()
	options := auditlog.Options{Stdin: command.InOrStdin(), Progress: progress.events}
	now := time.Now()
	for _, at := range []struct {
		flag, value string
		into        *time.Time
	}{{"since", f.since, &collect.Since}, {"until", f.until, &options.Until}} {
		if *at.into, err = parseMoment(at.value, now); err != nil {
			return &usageError{fmt.Errorf("--%s %q: %w", at.flag, at.value, err)}
		}
	}
	files, err := auditlog.Find(paths)
	if err != nil {
		return err
	}
	limitGarbage()
	current, other, err := f.configurations(ctx, command)
	if err != nil {
		return err
	}
	kinds := replay.KindsOf(current.snapshot, other)
	options.Needed = kinds.Needs
	log, collector := auditlog.Open(files, options), replay.NewCollector(collect)
	if f.coverage {
		for e := range log.Writes() {
			collector.Cover(e, kinds)
		}
		progress.end()
		return f.print(command, collector.Report(log.Stats(), 0), failOn)
	}
	settings := replay.Options{Snapshot: current.snapshot, Against: other, MaxMode: current.maxMode, Exclude: f.exclude}
	if current.source.facts != nil {
		settings.Facts = current.source.facts
	}
	if !slices.Contains(files, auditlog.Stdin) {
		if settings.History, err = historyOf(ctx, files, options); err != nil {
			return err
		}
	} else if settings.Facts != nil {
		if _, err := fmt.Fprintln(command.ErrOrStderr(), "note: standard input is read once, so facts that the log changes later count as they are now: name files to avoid that"); err != nil {
			return err
		}
	}
	replayer, err := replay.New(settings)
	if err != nil {
		return err
	}
	for e := range log.Writes() {
		if err := ctx.Err(); err != nil {
			return err
		}
		result := replayer.Write(ctx, e)
		collector.Add(&result)
	}
	progress.end()
	made := collector.Report(log.Stats(), replayer.Evicted())
	if err := f.writeSuggestions(command.ErrOrStderr(), made, now); err != nil {
		return err
	}
	err = f.print(command, made, failOn)
	unread := current.source.unread()
	if len(unread) > 0 && errors.Is(err, errViolations) {
		err = nil
	}
	return errors.Join(append(unread, err)...)
}

// historyOf reads a log for what it has of facts.
func historyOf(ctx context.Context, files []string, o auditlog.Options) (*replay.History, error) {
	var history replay.History
	o.Needed = replay.NeedsFact
	o.Until = time.Time{} // what is changed after that was not changed before
	for e := range auditlog.Open(files, o).Writes() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		history.Add(e)
	}
	return &history, nil
}

// memoryLimit is what a replay may take. Each event is garbage once it is decided, so that garbage is collected rarely
// below the limit.
const memoryLimit = 120 << 20

func limitGarbage() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(200)
		debug.SetMemoryLimit(memoryLimit)
	}
}

// paths returns the paths to read.
func (f *replayFlags) paths(command *cobra.Command, args []string) ([]string, error) {
	for _, name := range f.namespaces {
		if reasons := validation.IsDNS1123Label(name); len(reasons) > 0 {
			return nil, &usageError{fmt.Errorf("--namespace %q: %s", name, strings.Join(reasons, "; "))}
		}
	}
	for _, path := range args {
		if err := checkPath(path, command.Name()); err != nil {
			return nil, &usageError{err}
		}
	}
	if len(args) > 0 {
		return args, nil
	}
	if isInteractive(command.InOrStdin()) {
		return nil, &usageError{errNoLog}
	}
	return []string{auditlog.Stdin}, nil
}

// configurations compiles the configuration, and that of --against or nil. It writes the notes about both.
func (f *replayFlags) configurations(ctx context.Context, command *cobra.Command) (*configuration, *config.Snapshot, error) {
	current, err := f.configuration(ctx, command)
	if err != nil {
		return nil, nil, err
	}
	if err := current.source.writeNotes(command.ErrOrStderr()); err != nil {
		return nil, nil, err
	}
	if len(f.against) == 0 {
		return current, nil, nil
	}
	other, from, err := f.second(ctx)
	if err != nil {
		return nil, nil, err
	}
	return current, other, from.writeNotes(command.ErrOrStderr())
}

var errNoGuardrails = errors.New("--against contains no Guardrail, so everything would be admitted")

// second compiles the configuration of --against.
func (f *replayFlags) second(ctx context.Context) (*config.Snapshot, *source, error) {
	catalog, err := loadCatalog(f.engine)
	if err != nil {
		return nil, nil, err
	}
	other := configurationFlags{policyFlags: f.policyFlags, sourceFlags: sourceFlags{config: f.against}}
	from := &source{}
	if _, err := other.readFiles(from, catalog); err != nil {
		return nil, nil, err
	}
	if len(from.objects.Guardrails) == 0 {
		return nil, nil, &usageError{errNoGuardrails}
	}
	if from, err = other.source(ctx, catalog); err != nil {
		return nil, nil, err
	}
	snapshot, err := other.snapshot(ctx, catalog, from)
	return snapshot, from, err
}

// writeSuggestions writes the files of --suggest.
func (f *replayFlags) writeSuggestions(w io.Writer, r *replay.Report, now time.Time) error {
	if f.suggest == "" {
		return nil
	}
	all, err := replay.Suggest(r, now)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.suggest, 0o755); err != nil {
		return err
	}
	for _, suggested := range all {
		file := filepath.Join(f.suggest, suggested.File)
		if err := os.WriteFile(file, []byte(suggested.Text), 0o644); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, "note: wrote", decision.PrintablePath(file)); err != nil {
			return err
		}
	}
	return nil
}

// print prints a report, and returns the error that determines the exit code.
func (f *replayFlags) print(command *cobra.Command, r *replay.Report, failOn decision.Verdict) error {
	switch {
	case r.Log.Events == 0 && r.Log.GKE > 0:
		return errGKE
	case r.Log.Events == 0:
		return errors.Join(errNoEvents, problemsOf(r))
	}
	var err error
	switch f.output.value {
	case "json":
		err = report.ReplayJSON(command.OutOrStdout(), r)
	case "html":
		err = report.ReplayHTML(command.OutOrStdout(), r, report.HTMLOptions{Title: replayTitle(r), Version: version(), Now: time.Now()})
	default:
		err = report.ReplayText(command.OutOrStdout(), r, report.ReplayOptions{Verbose: f.verbose, CoverageOnly: f.coverage, Color: useColor(command)})
	}
	switch {
	case err != nil:
		return err
	case r.Log.Unread+r.Log.Damaged > 0:
		return errors.Join(errUnreadLog, problemsOf(r))
	case f.coverage:
		return nil
	case r.Changes != nil && (r.Changes.NewlyDenied > 0 || failOn == decision.VerdictUnknown && r.Changes.Uncertain > 0), r.Changes == nil && fails(&r.Counts, failOn):
		return errViolations
	}
	return nil
}

func replayTitle(r *replay.Report) string {
	if r.Changes != nil {
		return "What a second configuration would change"
	}
	return "What Taffrail would have decided"
}

func fails(n *replay.Counts, failOn decision.Verdict) bool {
	summary := report.Summary{Deny: int(n.Deny), Unknown: int(n.Unknown), Warn: int(n.Warn)}
	return summary.Fails(failOn)
}

func problemsOf(r *replay.Report) error {
	var all []error
	for _, problem := range r.Log.Problems {
		all = append(all, errors.New(problem.String()))
	}
	return errors.Join(all...)
}

var errMoment = errors.New("use a duration before now, such as 7d or 12h, a date such as 2026-11-01, or a time such as 2026-11-01T08:00:00Z")

// parseMoment returns zero for an empty text.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	before, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n int
		n, err = strconv.Atoi(days)
		before = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || before < 0 {
		return time.Time{}, errMoment
	}
	return now.Add(-before), nil
}
