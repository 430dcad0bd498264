//! A file of results that is there whole or not at all, and never replaces another one. It is written beside its place,
//! under a name of its own, and moved when it is complete.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How much of two files is compared at once.
const CHUNK: u64 = 1 << 16;

/// Why a file of results couldn't be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewFileError {
    #[error("{0} is there already: name another file, or move it away")]
    Exists(PathBuf),
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
}

pub(crate) struct NewFile {
    place: PathBuf,
    partial: PathBuf,
    writer: BufWriter<File>,
}

impl NewFile {
    /// Begin a file. What an earlier run left half-written is written over.
    pub(crate) fn begin(place: &Path) -> Result<Self, NewFileError> {
        let mut partial = OsString::from(place);
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|source| NewFileError::Write {
            path: partial.clone(),
            source,
        })?;
        Ok(Self {
            place: place.to_owned(),
            partial,
            writer: BufWriter::new(file),
        })
    }

    /// As [`Self::begin`], but at once refused if the place is taken.
    pub(crate) fn begin_in_free_place(place: &Path) -> Result<Self, NewFileError> {
        if place.symlink_metadata().is_ok() {
            return Err(NewFileError::Exists(place.to_owned()));
        }
        Self::begin(place)
    }

    /// Move the complete file to its place. If an earlier run put one there that ends with all of this, that one stays.
    pub(crate) fn finish(mut self) -> Result<(), NewFileError> {
        let moved = self.move_to_place();
        match moved {
            Ok(true) => Ok(()),
            Ok(false) => Err(NewFileError::Exists(self.place.clone())),
            Err(source) => Err(NewFileError::Write {
                path: self.place.clone(),
                source,
            }),
        }
    }

    fn move_to_place(&mut self) -> io::Result<bool> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        // Unlike a rename, a link never replaces what is there.
        match std::fs::hard_link(&self.partial, &self.place) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                ends_with(&self.place, &self.partial)
            }
            Err(error) => Err(error),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Either it has its place by now, or it is of no use.
        let _ = std::fs::remove_file(&self.partial);
    }
}

/// Whether a file's last bytes are those of another one.
fn ends_with(whole: &Path, end: &Path) -> io::Result<bool> {
    let (mut whole, end) = (File::open(whole)?, File::open(end)?);
    let length = end.metadata()?.len();
    let Some(start) = whole.metadata()?.len().checked_sub(length) else {
        return Ok(false);
    };
    whole.seek(SeekFrom::Start(start))?;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    loop {
        a.clear();
        b.clear();
        (&whole).take(CHUNK).read_to_end(&mut a)?;
        (&end).take(CHUNK).read_to_end(&mut b)?;
        if a != b || a.is_empty() {
            return Ok(a == b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(place: &Path, text: &str) -> Result<(), NewFileError> {
        let mut file = NewFile::begin(place)?;
        file.write_all(text.as_bytes()).expect("written");
        file.finish()
    }

    #[test]
    fn a_file_appears_whole_and_replaces_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().join("rejects");
        {
            let mut abandoned = NewFile::begin(&place).expect("begun");
            abandoned.write_all(b"half").expect("written");
            assert!(!place.exists());
        }
        write(&place, "one\ntwo\n").expect("new");
        write(&place, "two\n").expect("is in it");
        write(&place, "").expect("is in it");
        assert!(matches!(
            write(&place, "three\n"),
            Err(NewFileError::Exists(_))
        ));
        assert_eq!(
            std::fs::read_to_string(&place).expect("there"),
            "one\ntwo\n"
        );
        let left = std::fs::read_dir(directory.path()).expect("listed").count();
        assert_eq!(left, 1, "no partial file is left");
    }
}
