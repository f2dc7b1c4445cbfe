//! Windows with fixed boundaries, anchored to a phase or opened by the first use.

use crate::expected::Claim;

/// In this last part of a window nothing is kept for more urgent requests any more.
const LET_GO: u64 = 256;

/// One window at one time.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// From here on nothing is launched: it could arrive after the window's end.
    closing: u64,
    /// From here on everything launched arrives in the next window.
    end: u64,
    used: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    amount: u64,
    /// From the start of one window to the start of the next when they follow each other.
    span: u64,
    /// How long before its end nothing is launched into a window.
    quiet: u64,
    anchored: bool,
    current: Span,
    last_take: u64,
}

impl Fixed {
    /// Windows that start at `phase` and every `window` before and after it.
    pub(crate) fn anchored(amount: u64, window: u64, guard: u64, (phase, now): (u64, u64)) -> Self {
        let offset = phase % window.max(1);
        let into = if now >= offset {
            (now - offset) % window.max(1)
        } else {
            window - (offset - now)
        };
        let end = now.saturating_add(window - into);
        let current = Span {
            closing: end.saturating_sub(guard),
            end,
            used: 0,
        };
        Self {
            amount,
            span: window,
            quiet: guard,
            anchored: true,
            current,
            last_take: 0,
        }
    }

    /// Windows that open at the first use. The provider's opens up to `guard` after ours.
    pub(crate) fn from_first_use(amount: u64, window: u64, guard: u64) -> Self {
        Self {
            amount,
            span: window.saturating_add(guard),
            quiet: guard.saturating_mul(2),
            anchored: false,
            current: Span {
                closing: 0,
                end: 0,
                used: 0,
            },
            last_take: 0,
        }
    }

    /// The provider's window, without what the guard adds.
    fn window(&self) -> u64 {
        if self.anchored {
            self.span
        } else {
            self.span.saturating_sub(self.quiet / 2)
        }
    }

    fn spans_after(&self, count: u64) -> u64 {
        self.current
            .end
            .saturating_add(self.span.saturating_mul(count))
    }

    /// The window at `time`, with what earlier ones carry into it; `None`: none is open.
    fn span_at(&self, time: u64) -> Option<Span> {
        if time < self.current.end {
            return Some(self.current);
        }
        let count = ((time - self.current.end) / self.span.max(1)).saturating_add(1);
        let used = self
            .current
            .used
            .saturating_sub(self.amount.saturating_mul(count));
        if used == 0 && !self.anchored {
            return None;
        }
        let end = self.spans_after(count);
        Some(Span {
            closing: end.saturating_sub(self.quiet),
            end,
            used,
        })
    }

    /// The window at `time`, or the one that a use at `time` would open.
    fn span_or_opened_at(&self, time: u64) -> Span {
        self.span_at(time).unwrap_or_else(|| {
            let end = time.saturating_add(self.span);
            Span {
                closing: end.saturating_sub(self.quiet),
                end,
                used: 0,
            }
        })
    }

    fn room(&self, span: &Span) -> u64 {
        self.amount.saturating_sub(span.used)
    }

    pub(crate) fn fits(&mut self, units: u64, now: u64) -> bool {
        if now >= self.current.end
            && let Some(span) = self.span_at(now)
        {
            self.current = span;
        }
        let span = self.span_or_opened_at(now);
        now < span.closing && units <= self.room(&span)
    }

    pub(crate) fn take(&mut self, units: u64, now: u64) {
        self.current = self.span_or_opened_at(now);
        self.current.used = self.current.used.saturating_add(units);
        self.last_take = now;
    }

    /// Gives back what was taken in the window that is still open.
    pub(crate) fn refund(&mut self, units: u64, taken_at: u64, now: u64) {
        let start = self.current.end.saturating_sub(self.span);
        if now < self.current.end && taken_at >= start {
            self.current.used = self.current.used.saturating_sub(units);
        }
    }

    /// The use at `taken_at` never arrived. If it opened the window, the provider's window
    /// opened later, at the latest with our last use.
    pub(crate) fn doubt_opening(&mut self, taken_at: u64) {
        let opened = self.current.end.saturating_sub(self.span);
        if self.anchored || taken_at != opened {
            return;
        }
        if self.current.used == 0 && self.last_take == taken_at {
            self.current.end = self.current.end.min(taken_at);
        } else {
            self.current.end = self
                .current
                .end
                .max(self.last_take.saturating_add(self.span));
        }
    }

    /// What was counted before the open window began is void.
    pub(crate) fn reconcile(&mut self, used: u64, as_of: u64, now: u64) {
        let span = self.span_or_opened_at(now);
        if as_of >= span.end.saturating_sub(self.span) {
            self.raise_to(used, now);
        }
    }

    pub(crate) fn raise_to(&mut self, used: u64, now: u64) {
        let span = self.span_or_opened_at(now);
        if used > span.used {
            self.current = Span { used, ..span };
            self.last_take = now;
        }
    }

    pub(crate) fn raise_by(&mut self, units: u64, now: u64) {
        let span = self.span_or_opened_at(now);
        let used = span.used.saturating_add(units);
        self.current = Span { used, ..span };
        self.last_take = now;
    }

    pub(crate) fn lower_by(&mut self, units: u64, now: u64) {
        if let Some(span) = self.span_at(now) {
            let used = span.used.saturating_sub(units);
            self.current = Span { used, ..span };
        }
    }

    pub(crate) fn scale(&mut self, (part, whole): (u64, u64)) {
        let scaled = u128::from(self.current.used) * u128::from(part) / u128::from(whole.max(1));
        self.current.used = u64::try_from(scaled).unwrap_or(u64::MAX);
    }

    pub(crate) fn anchored_end(&self, now: u64) -> Option<u64> {
        let span = self.span_at(now).filter(|_| self.anchored)?;
        Some(span.end)
    }

    /// When the window that is open at `now` opened; `now` if none is.
    pub(crate) fn opened(&self, now: u64) -> u64 {
        if now < self.current.end {
            self.current.end.saturating_sub(self.span)
        } else {
            now
        }
    }

    /// The window that is open at the provider ends between `earliest` and `latest`.
    pub(crate) fn anchor(&mut self, earliest: u64, latest: u64, now: u64) {
        if self.anchored || latest <= now {
            return;
        }
        let open = now < self.current.end;
        self.current = Span {
            // When it opened is known now; only when requests arrive is not.
            closing: earliest.saturating_sub(self.quiet / 2),
            end: latest,
            used: if open { self.current.used } else { 0 },
        };
    }

    /// When `need` more units have fitted, given that `span` is open and admits no more.
    fn later(&self, span: &Span, need: u64) -> Option<u64> {
        let total = u128::from(span.used) + u128::from(need);
        let excess = total.saturating_sub(u128::from(self.amount));
        let windows = excess.div_ceil(u128::from(self.amount).max(1)).max(1) - 1;
        let delay = u128::from(self.span).checked_mul(windows)?;
        Some(
            span.end
                .saturating_add(u64::try_from(delay).unwrap_or(u64::MAX)),
        )
    }

    pub(crate) fn earliest(&self, units: u64, from: u64) -> Option<u64> {
        if units == 0 {
            return Some(from);
        }
        if units > self.amount {
            return None;
        }
        let span = self.span_or_opened_at(from);
        if from < span.closing && units <= self.room(&span) {
            return Some(from);
        }
        self.later(&span, units)
    }

    /// What is kept at `time` beside `units` for more urgent requests until the end of the window.
    fn kept(&self, units: u64, claim: &Claim, span: &Span, time: u64) -> u64 {
        let left = span.closing.saturating_sub(time);
        let kept = claim.within(left.saturating_sub(self.span / LET_GO), f64::INFINITY);
        kept.min(self.amount.saturating_sub(units))
    }

    pub(crate) fn earliest_beside(&self, units: u64, claim: &Claim, from: u64) -> Option<u64> {
        let start = self.earliest(units, from)?;
        let span = self.span_or_opened_at(start);
        let spare = self.room(&span).saturating_sub(units);
        let goes = |time| self.kept(units, claim, &span, time) <= spare;
        let (mut low, mut high) = (start, span.closing.max(start));
        if goes(low) {
            return Some(low);
        }
        // What is kept gets less and is nothing in the end.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if goes(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(high)
    }

    pub(crate) fn headroom_beside(&self, units: u64, claim: &Claim, at: u64, now: u64) -> u64 {
        let span = self.span_or_opened_at(now);
        let kept = self.kept(units, claim, &span, at);
        self.headroom(units.saturating_add(kept), at, now)
    }

    pub(crate) const fn capacity(&self) -> u64 {
        self.amount
    }

    pub(crate) fn estimate(&self, ahead: u64, units: u64, now: u64) -> Option<u64> {
        if ahead == 0 || units == 0 {
            return self.earliest(units, now);
        }
        let mut span = self.span_or_opened_at(now);
        let need = ahead.saturating_add(units);
        if now < span.closing && need <= self.room(&span) {
            return Some(now);
        }
        if now >= span.closing {
            span.used = span.used.max(self.amount);
        }
        self.later(&span, need)
    }

    pub(crate) fn headroom(&self, units: u64, at: u64, now: u64) -> u64 {
        let span = self.span_or_opened_at(now);
        if units == 0 || at >= span.end {
            return u64::MAX;
        }
        if at >= span.closing {
            return 0;
        }
        self.room(&span).saturating_sub(units)
    }

    pub(crate) fn used(&self, now: u64) -> u64 {
        self.span_at(now).map_or(0, |span| span.used)
    }

    pub(crate) fn clear_at(&self, now: u64) -> u64 {
        match self.span_at(now) {
            Some(span) if span.used > 0 => self.later(&span, self.amount).unwrap_or(u64::MAX),
            _ => now,
        }
    }

    pub(crate) fn inherit(&mut self, old: &mut Self) -> bool {
        if self.anchored != old.anchored || self.window() != old.window() {
            return false;
        }
        if self.anchored
            && !self
                .current
                .end
                .abs_diff(old.current.end)
                .is_multiple_of(self.span.max(1))
        {
            return false;
        }
        self.current = old.current;
        self.last_take = old.last_take;
        true
    }
}
