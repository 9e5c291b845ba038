// Package sandbox limits what the Rego of users' Policies may reach, take and hold.
//
// What a Policy may reach, and what is checked before it is compiled, holds for both engines. What it may take and hold
// is limited here for topdown, which evaluates the Policies that cannot be compiled. Package compile has a budget of its
// own kind, which takes the place of the limits of built-in functions, too: see compile.Budget, and for its tests
// rego.TestWhatAUsersPolicyDoesIsItsOwnAffair, TestAPolicyStopsAtTheSameStepOnABusyMachine and TestTrapsMakeOnlySoMuch.
//
// # Threat model
//
// Whoever may write a Policy may deny requests of the kinds that a Guardrail binds it to: that is what a
// Policy is for. Beyond that, the author of a Policy is not trusted, and neither is whoever writes the
// objects that it decides. Neither of them may
//
//   - reach anything outside: the network, files, the clock, random numbers, the environment of the process;
//   - change what the library's policies or other Policies find, slow them down, or read them;
//   - stop the webhook, by time, memory or the stack. Other requests must be decided in time, and the
//     Policies of the same request within its deadline;
//   - get an object past a Policy by making it expensive: an exhausted budget is an error, which the
//     Policy's failurePolicy decides, and never a pass;
//   - make the outcome depend on the machine or on its load: budgets are steps and bytes. Only the end of
//     a request is time (ErrNoTime);
//   - have the values of an object quoted in an error or a log.
//
// A Policy is compiled alone with the helpers of the library that it needs, and evaluated alone. Package compile
// evaluates it under a budget of steps and bytes. A Policy that it cannot compile is evaluated by OPA, as are all
// Policies if an operator chooses OPA, and those that are compared. OPA has no limits of its own and cannot stop a
// built-in function that runs, and a goroutine cannot be killed. So with OPA everything is checked or paid for before it
// happens: that is what Meter and Builtins are for.
//
// # Limits, and the tests that fail without them
//
//	before it is compiled, for both engines
//	  MaxSource                            rego.TestUnsoundUserPoliciesAreRefused "too long"
//	  Capabilities: an allow-list          rego.TestPoliciesReachNoOutside, TestUnsoundUserPoliciesAreRefused "clock", "environment"
//	  its own package, and helpers         rego.TestUnsoundUserPoliciesAreRefused "package of ours" … "data covered"
//	  with: only parts of input            rego.TestUnsoundUserPoliciesAreRefused "with", "with a builtin"
//	  maxTypeCost: OPA's type checker      rego.TestValuesInOneAnotherAreRefusedBeforeTheyAreTyped
//	the budget of a Policy, for both engines
//	  its default and its limits           config.TestBudgetsHaveADefaultAndLimits
//	  steps                                rego.TestABudgetIsOfOnePolicyAndOneRequest, TestABudgetIsUsedUp
//	  steps that no machine changes        rego.TestWhatDoesNotEndIsStoppedAtTheSameStep
//	  bytes, where it is compiled          rego.TestWhatAUsersPolicyDoesIsItsOwnAffair "huge comprehension"
//	one call of a built-in function, with OPA
//	  maxText, maxElements, maxDigits,
//	  maxExponent, maxWidth, maxPattern    TestBuiltinsTakeAndMakeOnlySoMuch: a call for each function
//	  allowed means limited or small       TestLimitedBuiltinsAreAllowedOnes
//	the work of one evaluation, with OPA
//	  steps                                TestWorkIsCharged "an endless loop"
//	  perStep: size of operands            TestWorkIsCharged "large operands", "sorting"
//	  made, perByte: size of results       TestWorkIsCharged "large results", "long results"
//	  perScan: patterns and texts          TestWorkIsCharged "patterns", "globs", "replacers"; TestHowLongAMatchMayBe
//	  perWeight: large values in use       TestWorkIsCharged "a large value in use"
//	  perLiteral: large literals           TestWorkIsCharged "a large literal"
//	  freeResults: colliding hashes        TestWorkIsCharged "many results"
//	  `with`: copies of the input          TestWorkIsCharged "a large input replaced"
//	  `with`: the input of others          rego.TestEngineTrap13WithIsOfOnePolicy, TestEngineTrap13IssuesOfOPA "6304 …"
//	  sets and texts that are unified      TestWorkIsCharged "sets that are compared", "long texts that are unified"
//	  shared parts are counted             TestMeasuringEnds, TestMeasuringIsCharged
//	  compareEquals: the stack             TestUnificationIsOfSmallValues
//	  panics                               TestAPanicIsAnErrorWithoutItsText
//	one request, and all requests
//	  LightSteps, Turns: memory            TestAnExpensiveEvaluationTakesATurn
//	  the end of the request               TestAnEvaluationStopsWithItsRequest, TestTheDeadlineLeavesTimeForTheAnswer
//
// Policies of one request share no budget: the verdict of one does not depend on which others are bound. If they need
// more than the time of the request together, the last of them fail with ErrNoTime.
//
// Package rego limits what is read of the answer (result_user.go: TestFindingsOfAUsersPolicyAreCapped,
// "huge finding") and what is remembered of Policies (usercache.go: TestWhatIsRememberedOfUsersPoliciesIsBounded).
package sandbox
