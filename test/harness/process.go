package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// grace is how long a process may take to end once it is asked to.
const grace = 40 * time.Second

// process is a program that runs alongside the tests.
type process struct {
	name    string
	command *exec.Cmd
	logFile string
	// ended is closed once the process has exited; err is valid from then on.
	ended chan struct{}
	err   error
}

// start runs a program whose output goes to a file of its own.
func start(ctx context.Context, name, logs, program string, args ...string) (*process, error) {
	logFile := filepath.Join(logs, name+".log")
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	// It outlives every context, because Stop ends it.
	p := &process{name: name, logFile: logFile, command: exec.CommandContext(context.WithoutCancel(ctx), program, args...), ended: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = log, log
	// In a process group of its own, it does not receive Ctrl-C from the terminal, so that this program can
	// stop everything in order.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), log.Close())
	}
	go func() {
		defer close(p.ended)
		p.err = errors.Join(p.command.Wait(), log.Close())
	}()
	return p, nil
}

// await polls until ready succeeds. It fails immediately if the process exits.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.ended:
			cancel(fmt.Errorf("it ended: %w", orClean(p.err)))
		case <-ctx.Done():
		}
	}()
	if err := Eventually(ctx, p.name+" to be ready", ready); err != nil {
		return fmt.Errorf("%w\n%s", err, tail(p.logFile, 30))
	}
	return nil
}

func orClean(err error) error {
	if err == nil {
		return errors.New("exit code 0")
	}
	return err
}

// stop asks the process to end and waits until it has.
func (p *process) stop() error { return p.end(syscall.SIGTERM) }

// kill ends the process at once, as a crash would.
func (p *process) kill() error { return p.end(syscall.SIGKILL) }

func (p *process) end(signal os.Signal) error {
	if err := p.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending %s: %w", p.name, err)
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-p.ended:
		return nil
	case <-late.C:
		err := fmt.Errorf("%s did not end within %s of %s", p.name, grace, signal)
		return errors.Join(err, p.command.Process.Kill())
	}
}

// tail returns the end of a log, indented.
func tail(file string, lines int) []byte {
	content, err := os.ReadFile(file)
	if err != nil {
		return []byte(err.Error())
	}
	all := bytes.Split(bytes.TrimRight(content, "\n"), []byte("\n"))
	if over := len(all) - lines; over > 0 {
		all = all[over:]
	}
	var out bytes.Buffer
	for _, line := range all {
		if len(line) > 500 {
			line = append(line[:500:500], "…"...)
		}
		fmt.Fprintf(&out, "    %s\n", line)
	}
	return out.Bytes()
}
