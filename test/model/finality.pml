/*
 * # Finality: the voting rules of src/consensus/finality, small enough to try all of it.
 *
 * Four voters of weight 1, of whom one lies; two rounds of prevotes and precommits; one crash. Block 0 is final and
 * began the authority set: votes of the set before are still in the air. Always true, whatever is lost, late, or told
 * to some only: the claims at the end. Each switch -D... breaks one rule; checker.ts says which claim must fall.
 *
 * What makes it small, and why nothing is lost by it: more can happen here than in voter.ts, never less.
 * - A voter acts on *some* set of the votes that were sent, chosen anew each time. So delay, loss, reordering, catch-up
 *   and what a crash forgets need no state of their own, nor does what he knows to be final: he may know of every block
 *   that precommits prove, or of none.
 * - The liar has no state: what he told whom is chosen with the view: no vote, one for any block, or two.
 * - Fork choice may prefer any block on the estimate, so the primary's hint adds nothing. Time limits only keep voters
 *   from speaking, so there are none. A voter leaves a round when he votes in the next one.
 * - Rounds count from block 0. A later base only hides votes from a view, and gives no answer below itself.
 */
#define HONEST 3
#define VOTERS 4
#define ROUNDS 2
#define SLOTS (HONEST * ROUNDS * 2)
#ifndef CRASHES
#define CRASHES 1
#endif

#ifdef QUORUM_TOO_SMALL
#define THRESHOLD 2
#else
#define THRESHOLD 3
#endif
#define TOLERATED (VOTERS - THRESHOLD)

/* The tree: 0 - 1 - 2 and 0 - 3 - 4; of four blocks the last is missing. */
#ifndef BLOCKS
#define BLOCKS 4
#endif
#define NO_BLOCK 5
#define on(x, y) ((y) == 0 || (x) == (y) || ((x) == 2 && (y) == 1) || ((x) == 4 && (y) == 3))
#define number(x) ((x) == 0 -> 0 : ((x) % 2 == 1 -> 1 : 2))
#define parent(x) ((x) % 2 == 0 && (x) > 0 -> (x) - 1 : 0)
#define bit(x) (1 << (x))

/* A vote is the block plus one; 0 is none, EVERYWHERE is two votes. */
#define NONE 0
#define EVERYWHERE 6
#define PREVOTE 0
#define PRECOMMIT 1
#define slot(i, r, s) ((i) * ROUNDS * 2 + (r) * 2 + (s))

/* What a voter holds to have said (his disk), and the blocks for which others may have his vote. */
byte own[SLOTS];
byte sent[SLOTS];
byte crashes;
/* Sets of blocks that follow from `sent`. By round, of all views: the GHOSTs, and the estimates at which it is left. */
byte ghosts[ROUNDS];
byte left[ROUNDS];
/* What precommits of some round prove final, if the liar adds his. */
byte proven;
/* For what an honest voter may vote now. */
byte prevotable[ROUNDS];
byte precommittable[ROUNDS];

/* What the claims speak of. */
bool conflict;
bool doubled;
bool unbound;
#ifdef LIAR_GONE
bool stalled;
#endif

/* Scratch, of no meaning between steps. */
hidden byte va, vb, vc, vd, every, voted, quiet, more, ghost, estimate, floors, x, y;
hidden byte n[5];
hidden byte child, completable;
hidden byte ghostThen, estimateThen, completableThen;

/* Whether a voter can appear with vote v in a view of stage s and round r. */
#ifdef SET_ID_IGNORED
/* His vote of the set before was for block 0. */
#define heard(i, r, s) (sent[slot(i, r, s)] | bit(0))
#else
#define heard(i, r, s) (sent[slot(i, r, s)])
#endif
#define ALL (bit(BLOCKS) - 1)
/* For what the liar may vote, and his weight. */
#ifdef LIAR_GONE
#define LIES 0
#define LIARS 0
#else
#define LIES ALL
#define LIARS (VOTERS - HONEST)
#endif
#define several(m) (((m) & ((m) - 1)) != 0)
#define may(v, m) ((v) == NONE || ((v) == EVERYWHERE && several(m)) || ((v) != EVERYWHERE && ((m) & bit((v) - 1))))

/* Weight of the votes in a view: of one vote for x or above, and of those who voted twice. */
#define of(v) ((va == (v)) + (vb == (v)) + (vc == (v)) + (vd == (v)))
#define over(x) ((x) == 0 -> n[0] + n[1] + n[2] + n[3] + n[4] : n[x] + ((x) % 2 == 1 -> n[(x) + 1] : 0))
#define weight(x) (over(x) + every)
inline weigh() {
  n[0] = of(1); n[1] = of(2); n[2] = of(3); n[3] = of(4); n[4] = of(5);
  every = of(EVERYWHERE);
  voted = VOTERS - of(NONE);
  quiet = VOTERS - voted
}

/* The highest block with a supermajority; NO_BLOCK where there is none. */
inline findGhost() {
  ghost = NO_BLOCK;
  if
  :: weight(0) >= THRESHOLD ->
    ghost = 0;
    if
    :: weight(1) >= THRESHOLD && (weight(3) < THRESHOLD || over(1) >= over(3)) -> ghost = 1
    :: weight(3) >= THRESHOLD && !(weight(1) >= THRESHOLD && over(1) >= over(3)) -> ghost = 3
    :: else
    fi;
    if
    :: ghost > 0 && weight(ghost + 1) >= THRESHOLD -> ghost = ghost + 1
    :: else
    fi
  :: else
  fi
}

/* Whether a block with weight w of precommits may still get a supermajority. */
#ifdef SECOND_VOTES_FORGOTTEN
#define possible(w) ((w) + quiet >= THRESHOLD)
#else
#define possible(w) ((w) + quiet + (voted - (w) < more -> voted - (w) : more) >= THRESHOLD)
#endif

/* What the precommits of a view say below this GHOST, as in Round.update. */
inline findEstimate() {
  more = (TOLERATED > every -> TOLERATED - every : 0);
  estimate = ghost;
  completable = false;
  if
  :: voted >= THRESHOLD ->
    do
    :: estimate > 0 && !possible(weight(estimate)) -> estimate = parent(estimate)
    :: else -> break
    od;
    if
    :: possible(weight(estimate)) ->
      child = possible(every);
      if
      :: ghost == 0 -> child = child || possible(weight(1)) || possible(weight(3))
      :: ghost % 2 == 1 -> child = child || possible(weight(ghost + 1))
      :: else
      fi;
#ifdef CHILDREN_FORGOTTEN
      completable = true
#else
      completable = (estimate != ghost || !child)
#endif
    :: else -> estimate = NO_BLOCK
    fi
  :: else
  fi
}

/* All views of a stage of round r in turn; `look` sees each. */
#define FIRST(v, m) v = NONE; do :: v > EVERYWHERE -> break :: else -> if :: may(v, m) ->
#define NEXT(v) :: else fi; v++ od
inline surveyPrevotes(r) {
  ghosts[r] = 0;
  FIRST(va, heard(0, r, PREVOTE))
  FIRST(vb, heard(1, r, PREVOTE))
  FIRST(vc, heard(2, r, PREVOTE))
  FIRST(vd, LIES)
    weigh();
    findGhost();
    if
    :: ghost != NO_BLOCK -> ghosts[r] = ghosts[r] | bit(ghost)
    :: else
    fi
  NEXT(vd) NEXT(vc) NEXT(vb) NEXT(va)
}
inline surveyPrecommits(r) {
  left[r] = 0;
  FIRST(va, heard(0, r, PRECOMMIT))
  FIRST(vb, heard(1, r, PRECOMMIT))
  FIRST(vc, heard(2, r, PRECOMMIT))
  FIRST(vd, LIES)
    weigh();
    ghost = 0;
    do
    :: ghost == BLOCKS -> break
    :: else ->
      if
      :: ghosts[r] & bit(ghost) ->
        findEstimate();
        if
#ifdef LEAVES_INCOMPLETE
        :: estimate != NO_BLOCK -> left[r] = left[r] | bit(estimate)
#else
        :: completable -> left[r] = left[r] | bit(estimate)
#endif
        :: else
        fi
      :: else
      fi;
      ghost++
    od
  NEXT(vd) NEXT(vc) NEXT(vb) NEXT(va)
}

/* Who precommitted in round r for x or above. */
#define above(x) ((x) == 0 -> ALL : ((x) % 2 == 1 -> (bit(x) | bit((x) + 1)) & ALL : bit(x)))
#define backs(i, r, x) ((sent[slot(i, r, PRECOMMIT)] & above(x)) != 0)
#define provable(r, x) (backs(0, r, x) + backs(1, r, x) + backs(2, r, x) + LIARS >= THRESHOLD)

/* What round r finalizes, and what the claims say of it. */
inline surveyProofs(r) {
  for (x : 0 .. BLOCKS - 1) {
    if
    :: provable(r, x) ->
      proven = proven | bit(x);
      for (y : 0 .. BLOCKS - 1) {
        unbound = unbound || ((left[r] & bit(y)) && !on(y, x));
        conflict = conflict || ((proven & bit(y)) && !on(x, y) && !on(y, x))
      }
    :: else
    fi
  }
}

/* What binds votes of round r (Voter.floor): an estimate of the round before, or what is final where that is higher. */
#ifdef ESTIMATE_IGNORED
#define bounds(r, x) ((r) == 0 -> (x) == 0 : (left[0] != 0 && (x) == 0))
#else
#define bounds(r, x) ((r) == 0 -> (x) == 0 : (left[0] & bit(x)) != 0)
#endif
inline surveyFloors(r) {
  floors = 0;
  for (x : 0 .. BLOCKS - 1) {
    for (y : 0 .. BLOCKS - 1) {
      if
      :: bounds(r, x) && (proven & bit(y)) -> floors = floors | bit((number(x) < number(y) -> y : x))
      :: else
      fi
    }
  }
}

/* Prevotes: any block on the floor. Precommits: the GHOST, where it stands on the floor. */
inline surveyVotes(r) {
  prevotable[r] = 0;
  for (x : 0 .. BLOCKS - 1) {
    prevotable[r] = prevotable[r] | ((floors & bit(x)) -> above(x) : 0)
  }
#ifdef PRECOMMIT_WITHOUT_GHOST
  precommittable[r] = prevotable[r]
#else
  precommittable[r] = prevotable[r] & ghosts[r]
#endif
}

/* What can be heard and said after a vote of round r was sent. */
inline survey(r, s) {
  d_step {
    if
    :: s == PREVOTE -> surveyPrevotes(r)
    :: else
    fi;
    surveyPrecommits(r);
    surveyProofs(r);
    surveyFloors(0);
    surveyVotes(0);
    surveyFloors(1);
    surveyVotes(1)
  }
}

inline send(i, r, s, b) {
  sent[slot(i, r, s)] = sent[slot(i, r, s)] | bit(b);
  doubled = doubled || several(sent[slot(i, r, s)]);
  survey(r, s)
}

inline forget(i) {
  own[slot(i, 0, PREVOTE)] = NONE;
  own[slot(i, 0, PRECOMMIT)] = NONE;
  own[slot(i, 1, PREVOTE)] = NONE;
  own[slot(i, 1, PRECOMMIT)] = NONE
}

#define said(i, r, s) (own[slot(i, r, s)] != NONE)
#define unsent(i, r, s) (said(i, r, s) && !(sent[slot(i, r, s)] & bit(own[slot(i, r, s)] - 1)))

/* A restarted voter has what his disk has. */
inline restart(i) {
  crashes++;
#ifdef AMNESIA
  forget(i)
#endif
#ifdef ROUND_FORGOTTEN
  /* The disk has the votes of the last round only; with them he begins at the first one. */
  if
  :: said(i, 1, PREVOTE) -> forget(i)
  :: else
  fi
#endif
}

/* Signs, persists, broadcasts; a crash may come after each. */
inline cast(i, r, s, b) {
#ifdef SENT_BEFORE_PERSISTED
  send(i, r, s, b);
  if
  :: own[slot(i, r, s)] = b + 1
  :: crashes < CRASHES -> restart(i)
  fi
#else
  own[slot(i, r, s)] = b + 1;
  if
  :: send(i, r, s, b)
  :: crashes < CRASHES -> restart(i)
  fi
#endif
}

inline pick(var, set) {
  if
  :: (set) & bit(0) -> var = 0
  :: (set) & bit(1) -> var = 1
  :: (set) & bit(2) -> var = 2
  :: (set) & bit(3) -> var = 3
  :: (set) & bit(4) -> var = 4
  fi
}

inline vote(r, s, set) {
  pick(block, set);
  cast(me, r, s, block)
}

inline repeat(r, s) {
  send(me, r, s, own[slot(me, r, s)] - 1)
}

/* Voters differ in nothing but what they said: of states that differ by their order one is enough. */
#define swap(v, k) x = v[k]; v[k] = v[(k) + 4]; v[(k) + 4] = x
#define key(v, i, k) (v[(i) * 4 + (k)])
#define ahead(v, i, k) (key(v, i, k) > key(v, i + 1, k))
#define level(v, i, k) (key(v, i, k) == key(v, i + 1, k))
#define unordered(v, i, rest) \
  (ahead(v, i, 0) || (level(v, i, 0) && (ahead(v, i, 1) || (level(v, i, 1) && \
  (ahead(v, i, 2) || (level(v, i, 2) && (ahead(v, i, 3) || (level(v, i, 3) && (rest)))))))))
inline order(i) {
  if
  :: unordered(own, i, unordered(sent, i, false)) ->
    for (y : 0 .. 3) {
      swap(own, i * 4 + y);
      swap(sent, i * 4 + y)
    }
  :: else
  fi
}

#ifdef LIAR_GONE
/* The view of all that was sent. */
#define voteFor(m) ((m) == 4 -> 3 : ((m) == 8 -> 4 : ((m) == 16 -> 5 : (m))))
inline hearAll(r, s) {
  va = voteFor(sent[slot(0, r, s)]);
  vb = voteFor(sent[slot(1, r, s)]);
  vc = voteFor(sent[slot(2, r, s)]);
  vd = NONE;
  weigh()
}
inline surveyRound(r) {
  hearAll(r, PREVOTE);
  findGhost();
  hearAll(r, PRECOMMIT);
  completable = false;
  if
  :: ghost != NO_BLOCK -> findEstimate()
  :: else
  fi
}
#ifdef NEVER_REPEATED
#define hasUnsent(i) false
#else
#define hasUnsent(i) \
  (unsent(i, 0, PREVOTE) || unsent(i, 0, PRECOMMIT) || unsent(i, 1, PREVOTE) || unsent(i, 1, PRECOMMIT))
#endif
#define entered(i) said(i, 1, PREVOTE)
#define canPrevote(i) (!entered(i) && (!said(i, 0, PREVOTE) || completableThen))
#define canPrecommitThen(i) (!entered(i) && !said(i, 0, PRECOMMIT) && ghostThen != NO_BLOCK)
#define canPrecommit(i) (entered(i) && !said(i, 1, PRECOMMIT) && ghost != NO_BLOCK && on(ghost, estimateThen))
#define canSpeak(i) (hasUnsent(i) || canPrevote(i) || canPrecommitThen(i) || canPrecommit(i))

/* Nobody who hears everything has anything left to say, and the second round cannot be left. */
inline surveyHealed() {
  surveyRound(0);
  ghostThen = ghost;
  estimateThen = estimate;
  completableThen = completable;
  surveyRound(1);
  stalled = !completable && !canSpeak(0) && !canSpeak(1) && !canSpeak(2)
}
#endif

#ifdef TABLE
/* What a round says of every view, up to the order of voters, to compare with round.ts. */
#define sorted (va <= vb && vb <= vc && vc <= vd && vc != EVERYWHERE)
active proctype Table() {
  /* In simulation a d_step may not be this long. */
  atomic {
    FIRST(va, ALL) FIRST(vb, ALL) FIRST(vc, ALL) FIRST(vd, ALL)
      if
      :: sorted ->
        weigh();
        findGhost();
        printf("ghost %d %d %d %d = %d\n", va, vb, vc, vd, ghost);
        ghost = 0;
        do
        :: ghost == BLOCKS -> break
        :: else ->
          findEstimate();
          printf("estimate %d %d %d %d under %d = %d %d\n", va, vb, vc, vd, ghost, estimate, completable);
          ghost++
        od
      :: else
      fi
    NEXT(vd) NEXT(vc) NEXT(vb) NEXT(va)
  }
}
#else
active proctype Voters() {
  byte me, block;
  d_step {
    proven = bit(0);
    survey(0, PREVOTE)
  }
  do
  :: atomic {
      if
      :: me = 0
      :: me = 1
      :: me = 2
      fi;
      if
      :: !said(me, 0, PREVOTE) && !said(me, 1, PREVOTE) -> vote(0, PREVOTE, prevotable[0])
      :: said(me, 0, PREVOTE) && !said(me, 0, PRECOMMIT) && !said(me, 1, PREVOTE) && precommittable[0] != 0 ->
        vote(0, PRECOMMIT, precommittable[0])
      /* The round is left for the next one. */
      :: !said(me, 1, PREVOTE) && prevotable[1] != 0 -> vote(1, PREVOTE, prevotable[1])
      :: said(me, 1, PREVOTE) && !said(me, 1, PRECOMMIT) && precommittable[1] != 0 ->
        vote(1, PRECOMMIT, precommittable[1])
#ifndef NEVER_REPEATED
      /* What a crash kept from being sent is said again. */
      :: unsent(me, 0, PREVOTE) -> repeat(0, PREVOTE)
      :: unsent(me, 0, PRECOMMIT) -> repeat(0, PRECOMMIT)
      :: unsent(me, 1, PREVOTE) -> repeat(1, PREVOTE)
      :: unsent(me, 1, PRECOMMIT) -> repeat(1, PRECOMMIT)
#endif
      :: crashes < CRASHES -> restart(me)
      :: else
      fi;
      d_step {
        order(0); order(1); order(0);
#ifdef LIAR_GONE
        surveyHealed();
#endif
        me = 0; block = 0; x = 0; y = 0
      }
    }
  od
}

/* No two blocks of different branches can both be proven final. */
ltl no_conflict { [] !conflict }
/* An honest voter signs one vote of a stage and round. */
ltl said_once { [] !doubled }
/* Wherever a round is left, whatever it may finalize binds the votes of the next one. */
ltl estimate_binds { [] !unbound }
ltl all { [] (!conflict && !doubled && !unbound) }
#ifdef LIAR_GONE
/* Each step leaves less to say, so whoever never stalls completes both rounds, crash or not. */
ltl rounds_complete { [] !stalled }
#endif
#endif
